"""What a network is built of: the options of `architecture` in the configuration, read without PyTorch."""

from collections.abc import Iterable
from keyword import iskeyword
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from faceflip.typed import Declared


def fault_of_arguments(names: Iterable[str]) -> str | None:
    """Return which names are none of keyword arguments; an exported network's file has them as code."""
    if bad := [name for name in names if not name.isidentifier() or iskeyword(name)]:
        return f"{', '.join(map(repr, bad))}: expected names of keyword arguments, such as num_classes"
    return None


def _require_names(options: dict[str, Any]) -> dict[str, Any]:
    if fault := fault_of_arguments(options):
        raise ValueError(fault)
    return options


Arguments = Annotated[dict[str, Any], AfterValidator(_require_names)]
"""Keyword arguments of somebody's code, by names that can be written as such."""


class ArchitectureOptions(Declared):
    """Architecture and normalisation; the defaults are the paper's, or Caffe's where the paper is silent."""

    name: str = Field(
        "vgg16",
        min_length=1,
        description="`vgg16`, `small_resnet18`, `torchvision/NAME`, `timm/NAME`, or `FILE.py:NAME` of your own",
    )
    width: float = Field(
        1.0, gt=0, le=16, description="multiplies the channels and hidden units (`vgg16`, `small_resnet18`)"
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="probability of dropping a unit of fc6 and fc7 (`vgg16`)")
    pooling: Literal["ceil", "floor"] = Field(
        "ceil", description="pools round their size up, as Caffe's do, or down (`vgg16`)"
    )
    input_mean: list[Annotated[float, Field(ge=-1000, le=1000)]] = Field(
        [129.1863, 104.7624, 93.5940],
        min_length=3,
        max_length=3,
        description="subtracted from R, G, B (0-255), inside the network",
    )
    input_scale: float = Field(1.0, gt=0, le=1000, description="multiplies the pixel values after that")
    initialisation: Literal["msra", "xavier", "gaussian"] = Field(
        "xavier", description="Caffe's filler of the weights; `gaussian` has a standard deviation of 0.01"
    )
    options: Arguments = Field(default_factory=dict, description="keyword arguments of the architecture's builder")
