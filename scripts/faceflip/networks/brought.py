"""What is said of a network that was trained elsewhere: its code, its outputs, how it sees images; without PyTorch."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from faceflip.catalogue import ZOOS
from faceflip.errors import UserError, did_you_mean
from faceflip.networks.architecture import fault_of_arguments
from faceflip.registry import is_reference
from faceflip.typed import Declared

SCRIPTS = (".pt", ".pth", ".ts", ".jit", ".torchscript")
"""How the files of TorchScript programs end."""
EXPORTS = (".pt2",)
"""How the files of `torch.export` end."""
FORMS = "FILE.py:NAME, timm/NAME, torchvision/NAME, or a program: TorchScript (.pt, .ts) or torch.export (.pt2)"


def is_program(file: str) -> bool:
    """Return whether a network's file is a program with its weights, and not code that builds the network."""
    return not is_reference(file) and Path(file).suffix.lower() in (*SCRIPTS, *EXPORTS)


def is_of_zoo(file: str) -> bool:
    """Return whether a network is one of a collection: ``timm/NAME``, ``torchvision/NAME``."""
    return not is_reference(file) and not is_program(file) and file.partition("/")[0] in ZOOS and "/" in file


def require_form(file: str) -> None:
    """Raise UserError unless a name is one of `FORMS`."""
    if not (is_reference(file) or is_program(file) or is_of_zoo(file)):
        hint = f"; name what builds the network in it: {file}:NAME" if file.endswith(".py") else ""
        hint = hint or did_you_mean(file.partition("/")[0], ZOOS)
        raise UserError(f"{file!r} is none of {FORMS}{hint}")


def _quotient(value: object) -> object:
    """Return what a quotient such as ``1/255`` comes to; anything else as it is."""
    if isinstance(value, str):
        above, _, below = value.partition("/")
        try:
            return float(above) / float(below)
        except (ValueError, ZeroDivisionError):
            return value
    return value


_SCALE = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1000},
        {"type": "string", "pattern": r"^ *[\d.]+ */ *[\d.]+ *$"},
    ],
    "default": 1.0,
}


class InputOptions(Declared):
    """How a brought network sees images: (pixel x `scale` - `mean`) / `std`, of RGB pixels 0-255, resized before."""

    size: list[Annotated[int, Field(ge=8, le=4096)]] | None = Field(
        None,
        min_length=2,
        max_length=2,
        description="width and height that it takes: images are resized inside the network; null: the dataset's",
    )
    mean: list[Annotated[float, Field(ge=-1000, le=1000)]] = Field(
        [0.0, 0.0, 0.0],
        min_length=3,
        max_length=3,
        description="subtracted from the three channels after scaling, in the order of `order`",
    )
    std: list[Annotated[float, Field(gt=0, le=1000)]] = Field(
        [1.0, 1.0, 1.0], min_length=3, max_length=3, description="divides the channels after that"
    )
    scale: Annotated[float, BeforeValidator(_quotient), Field(gt=0, le=1000), WithJsonSchema(_SCALE)] = Field(
        1.0, description="multiplies pixel values 0-255 first: `1/255` for networks of images on [0, 1]"
    )
    order: Literal["rgb", "bgr"] = Field("rgb", description="of the channels (OpenCV and Caffe: `bgr`)")

    @property
    def suspicion(self) -> str | None:
        """What is odd about a mean that does not go with the scale; None where nothing is."""
        top, means = 255 * self.scale, [each for each in self.mean if each]
        if means and not top / 25 < max(means) <= top:
            return (
                f"a mean of {max(means):g} is odd where pixel values go from 0 to {top:g}: `input` is (pixel x scale - "
                "mean) / std, so that what timm and torchvision call mean and std goes with scale: 1/255"
            )
        return None


class BroughtOptions(Declared):
    """All that is needed to build a brought network again, beside its weights; it stands in its checkpoint.

    `columns` are those of its outputs that are its scores, None all. `contiguous` says that its code takes images only
    in PyTorch's default memory layout.
    """

    file: str
    options: dict[str, Any] = Field(default_factory=dict)
    columns: list[int] | None = None
    input: InputOptions = Field(default_factory=InputOptions)
    contiguous: bool = False

    @model_validator(mode="after")
    def _require_names(self) -> "BroughtOptions":
        if fault := fault_of_arguments(self.options):
            raise UserError(f"{self.file}: options: {fault}")
        return self
