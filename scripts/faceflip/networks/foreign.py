"""Networks that were trained elsewhere: built by a user's code or from a program, and given faceflip's pixels.

Attacks stay on the pixels of the dataset: resizing, order of channels and normalisation are a part of the network, and
gradients flow through them.
"""

import io
import shlex
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceflip.catalogue import find_architecture
from faceflip.errors import UserError
from faceflip.networks.brought import BroughtOptions, InputOptions, is_of_zoo, is_program
from faceflip.registry import load
from faceflip.wording import first_of


def resizing(source: int, target: int) -> Tensor:
    """Return the weights (target, source) by which a row of pixels is resized: bilinear, antialiased where it shrinks.

    They are those of `torch.nn.functional.interpolate` (and so of torchvision's and Pillow's bilinear filter, which
    rounds). As a product of matrices the same image has the same gradient every time, on GPUs too.
    """
    rows = torch.eye(source)[None, None]
    return functional.interpolate(rows, size=(target, source), mode="bilinear", antialias=True, align_corners=False)[
        0, 0
    ]


class ForeignLayers(nn.Module):
    """A network with what turns pixels into its input, and its outputs into scores.

    Args:
        network: From its input (N, 3, height, width) to outputs: (N, M), (N, M / 2, 2) or the like.
        name: What messages call it.
        attributes: What its scores decide on.
        scores: How many it must give.
        columns: Of its outputs, those that are scores; None for all.
        image_size: Width and height of the images that come.
        contiguous: Whether it takes images only in PyTorch's default memory layout.
    """

    def __init__(
        self,
        network: nn.Module,
        name: str,
        attributes: Sequence[str],
        scores: int,
        columns: Sequence[int] | None,
        image_size: tuple[int, int],
        options: InputOptions,
        contiguous: bool = False,
    ) -> None:
        super().__init__()
        self.network, self.name, self.attributes, self.scores = network, name, tuple(attributes), scores
        self.scale, self.bgr, self.contiguous = options.scale, options.order == "bgr", contiguous
        size = tuple(options.size or image_size)
        self.highest = max(columns or (0,))
        self.resized = size != tuple(image_size)
        self.shifted, self.stretched = options.mean != [0.0] * 3, options.std != [1.0] * 3
        buffers = {
            "mean": torch.tensor(options.mean).view(1, 3, 1, 1),
            "std": torch.tensor(options.std).view(1, 3, 1, 1),
            "columns": None if columns is None else torch.tensor(columns),
        }
        if self.resized:
            (width, height), (new_width, new_height) = image_size, size
            buffers |= {"rows": resizing(height, new_height), "across": resizing(width, new_width).T.contiguous()}
        for each, tensor in buffers.items():
            self.register_buffer(each, tensor, persistent=False)

    def train(self, mode: bool = True) -> "ForeignLayers":
        """Change the mode, but for exported programs, which stay in the one in which they were exported."""
        try:
            return super().train(mode)
        except NotImplementedError:
            return self

    def inputs(self, images: Tensor) -> Tensor:
        """Return what the network is given for float RGB images (N, 3, H, W) on 0-255."""
        layout = torch.contiguous_format if self.contiguous else torch.preserve_format
        if self.resized:
            layout = torch.contiguous_format if self.contiguous else torch.channels_last
            images = self.rows @ images @ self.across
        if self.bgr:
            images = images.flip(1)
        if self.scale != 1:
            images = images * self.scale
        if self.shifted:
            images = images - self.mean
        if self.stretched:
            images = images / self.std
        return images if layout == torch.preserve_format else images.contiguous(memory_format=layout)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores (N, M) of float RGB images (N, 3, H, W) on 0-255."""
        output = self.network(self.inputs(images))
        if not isinstance(output, Tensor):
            raise UserError(
                f"{self.name}: gives {type(output).__name__}, expected a tensor of scores; let the code that builds it "
                "wrap it in a module that picks them"
            )
        if output.ndim == 0 or len(output) != len(images):
            shape = " x ".join(map(str, output.shape)) or "one number"
            raise UserError(f"{self.name}: gives {shape} for {len(images)} images, expected a row of scores for each")
        output = output.flatten(1) if output.ndim > 1 else output[:, None]
        self._require_columns(output.shape[1])
        return output if self.columns is None else output.index_select(1, self.columns)

    def _require_columns(self, outputs: int) -> None:
        of = f"{self.scores} for {len(self.attributes)} attributes ({first_of(self.attributes, 3)})"
        if self.columns is None and outputs != self.scores:
            raise UserError(
                f"{self.name}: gives {outputs} outputs an image, expected {of}; name in `attributes` what its outputs "
                "are, in their order, or in `outputs` the columns of those that are wanted, {ATTRIBUTE: COLUMN}"
            )
        if self.columns is not None and len(self.columns) != self.scores:
            raise UserError(
                f"{self.name}: `outputs` names {len(self.columns)} columns, expected {of}, as its loss reads them"
            )
        if self.highest >= outputs:
            raise UserError(
                f"{self.name}: gives {outputs} outputs an image, counted from 0; `outputs` names column {self.highest}"
            )


def foreign_layers(
    options: BroughtOptions,
    attributes: Sequence[str],
    scores: int,
    image_size: tuple[int, int],
    program: bytes | None = None,
    device: torch.device | str = "cpu",
) -> ForeignLayers:
    """Build a network as its options say, with whatever weights its code gives it, in float32 and evaluation mode.

    `program` is the content of the program that `options.file` names, read from there where it is None. It is made for
    `device`, because constants in it cannot be moved later.

    Raises:
        UserError: The code is missing, fails, or gives no network.
    """
    if is_program(options.file):
        network = _opened(options.file, program_of(options.file) if program is None else program, device)
    else:
        network = _built(options, scores)
    about = options.file, attributes, scores, options.columns, image_size
    return ForeignLayers(network.float(), *about, options.input, options.contiguous).eval()


def program_of(file: str) -> bytes:
    """Return the bytes of a program; raises UserError where it cannot be read."""
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); paths are seen from {Path.cwd()}") from None


def _built(options: BroughtOptions, scores: int) -> nn.Module:
    """Call the code that builds a network."""
    file, arguments = options.file, dict(options.options)
    try:
        if is_of_zoo(file):
            if options.columns is not None and "num_classes" not in arguments:
                raise UserError("how many outputs it has is not known; set `options: {num_classes: ...}`")
            count = arguments.pop("num_classes", scores)
            build, place = load(find_architecture(file).target), (file.partition("/")[2], count, (0, 0))
        else:
            build, place = load(file), ()
            if isinstance(build, nn.Module) or not callable(build):
                raise UserError(f"is {_kind(build)}, expected a function or class that builds a torch.nn.Module")
        network = build(*place, **arguments)
    except UserError as error:
        raise UserError(str(error) if str(error).startswith(file) else f"{file}: {error}") from error
    except Exception as error:  # of somebody's code
        given = ", ".join(f"{name}={value!r}" for name, value in options.options.items())
        fault = f"{type(error).__name__}: {error}"
        raise UserError(f"{file}: building the network with ({given}) raises {fault}") from error
    if not isinstance(network, nn.Module):
        raise UserError(f"{file}: gives {_kind(network)}, expected a torch.nn.Module")
    return network


def _kind(value: Any) -> str:
    return "a network that was built already" if isinstance(value, nn.Module) else type(value).__name__


def _opened(file: str, program: bytes, device: torch.device | str) -> nn.Module:
    """Return the network of a TorchScript or exported program."""
    try:
        with zipfile.ZipFile(io.BytesIO(program)) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        raise UserError(f"{file}: no program of TorchScript or torch.export, or a damaged one") from None
    is_script = any("/code/" in name for name in names)
    if not is_script and not any("/models/" in name or "exported_program.json" in name for name in names):
        raise UserError(
            f"{file}: holds no program but what torch.save writes, such as weights; name the code that builds the "
            "network in `file`, FILE.py:NAME, and this file in `weights`" + _ours(file, program)
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if is_script:
                # Fused kernels come after a few passes, with other last bits than before.
                torch.jit.set_fusion_strategy([("STATIC", 0), ("DYNAMIC", 0)])
                return torch.jit.load(io.BytesIO(program), map_location=device)
            from torch.export.passes import move_to_device_pass

            exported = torch.export.load(io.BytesIO(program))
            if torch.device(device).type != "cpu":
                exported = move_to_device_pass(exported, device)
            return exported.module()
    except Exception as error:  # whatever damaged bytes, or another version of PyTorch, lead to
        fault = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        raise UserError(f"{file}: the program cannot be opened ({fault}); export it anew") from error


def _ours(file: str, program: bytes) -> str:
    """Say what to do with a checkpoint of our own."""
    try:
        content = torch.load(io.BytesIO(program), map_location="cpu", weights_only=True)
    except Exception:
        return ""
    ours = isinstance(content, dict) and content.get("format") == "faceflip-checkpoint"
    return f"; this one is faceflip's own: faceflip export-network {shlex.quote(file)} FOLDER" if ours else ""


def tried_out(layers: ForeignLayers, image_size: tuple[int, int]) -> None:
    """See grey images go through a network, in batches of one and of two; raises UserError where they do not."""
    width, height = image_size
    seen = " x ".join(map(str, layers.inputs(torch.zeros(1, 3, height, width)).shape[:1:-1]))
    for count in (2, 1):
        images = torch.full((count, 3, height, width), 128.0).contiguous(memory_format=torch.channels_last)
        try:
            with torch.inference_mode():
                layers(images)
        except UserError:
            raise
        except Exception as error:  # layers raise whatever they like
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[-300:]}"
            one_size = "size()[0]" in reason
            remedy = (
                "it was exported for batches of one size: export it with a dynamic batch dimension"
                if one_size
                else "if it takes another size, set input: {size: [WIDTH, HEIGHT]}"
            )
            raise UserError(
                f"{layers.name}: fails on a batch of {count} RGB images of {seen} pixels ({reason}); {remedy}"
            ) from error


def with_layout(options: BroughtOptions, layers: ForeignLayers, image_size: tuple[int, int]) -> BroughtOptions:
    """Return the options with `contiguous` set where the network works on no other memory layout.

    Raises UserError where it works on none.
    """
    try:
        tried_out(layers, image_size)
    except UserError as fault:
        layers.to(memory_format=torch.contiguous_format)
        layers.contiguous = True
        try:
            tried_out(layers, image_size)
        except UserError:
            raise fault from None
        return options.model_copy(update={"contiguous": True})
    return options
