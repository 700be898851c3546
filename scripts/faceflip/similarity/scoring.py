"""The calls that the rest of the project makes: scores of pairs, one score, a table of scores."""

from collections.abc import Callable
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from faceflip.similarity.definition import WINDOW, PassScores

if TYPE_CHECKING:
    import pandas as pd

Color = Literal["both", "rgb", "gray"]
Engine = Literal["auto", "cpu", "torch"]

BLOCK_CPU = 256
_CHANNELS = {"gray": 1, "rgb": 3, "both": 4}


def _is_tensor(images: Any) -> bool:
    return hasattr(images, "detach")


def _checked(images: Any, name: str) -> Any:
    """Return `images` unchanged if they are a batch that PASS is defined on, else say what is wrong with them."""
    images = images if _is_tensor(images) else np.asarray(images)
    if images.dtype != np.uint8 and str(images.dtype) != "torch.uint8":
        dtype = str(images.dtype).removeprefix("torch.")
        raise TypeError(
            f"{name} must be uint8 images on 0-255, not {dtype}: PASS is defined on whole pixel values, so round, clip "
            "and convert first"
        )
    if images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(f"{name} must have the shape (pairs, height, width, 3), not {tuple(images.shape)}")
    height, width = images.shape[1:3]
    if min(height, width) < WINDOW:
        raise ValueError(f"{name} are {width} x {height} pixels, but SSIM needs at least {WINDOW} x {WINDOW}")
    return images


def _checked_index(original_index: Any, n_originals: int, n_perturbed: int) -> np.ndarray:
    """Return which original belongs to each perturbed image, as int64."""
    if original_index is None:
        if n_originals == 1:
            return np.zeros(n_perturbed, np.int64)
        if n_originals != n_perturbed:
            raise ValueError(
                f"{n_originals} originals do not pair up with {n_perturbed} perturbed images: give original_index"
            )
        return np.arange(n_perturbed, dtype=np.int64)
    index = np.asarray(original_index)
    if index.shape != (n_perturbed,) or not np.issubdtype(index.dtype, np.integer):
        raise ValueError(f"original_index must hold one whole number for each of the {n_perturbed} perturbed images")
    if len(index) and (index.min() < 0 or index.max() >= n_originals):
        raise ValueError(
            f"original_index goes from {index.min()} to {index.max()}, but there are {n_originals} originals"
        )
    return index.astype(np.int64)


def choose_engine(engine: Engine, device: Any, *images: Any) -> Literal["cpu", "torch"]:
    """Settle `auto`: torch where the device or the images are on an accelerator, else the CPU engine."""
    if engine not in ("auto", "cpu", "torch"):
        raise ValueError(f"engine must be auto, cpu or torch, not {engine!r}")
    if engine != "auto":
        return engine
    devices = [device] if device is not None else [batch.device for batch in images if _is_tensor(batch)]
    return "torch" if any(_is_accelerator(place) for place in devices) else "cpu"


def _is_accelerator(device: Any) -> bool:
    return str(device).split(":")[0] != "cpu"


def pairs_a_call(engine: Engine, device: Any) -> int:
    """Return how many pairs, as arrays, to hand over in one call to `pass_scores` where not all fit into memory."""
    if device is None or not _is_accelerator(device) or choose_engine(engine, device) == "cpu":
        return BLOCK_CPU
    from faceflip.similarity import batched

    return batched.BATCH_ACCELERATOR


def pass_scores(
    originals: Any,
    perturbed: Any,
    *,
    original_index: Any = None,
    color: Color = "both",
    align: bool = True,
    unaligned: bool = True,
    engine: Engine = "auto",
    threads: int | None = None,
    device: Any = None,
    progress: Callable[[int], object] | None = None,
) -> PassScores:
    """Compute PASS and plain SSIM of perturbed images against their originals.

    Args:
        originals: m x h x w x 3 uint8 RGB images, array or tensor.
        perturbed: n x h x w x 3 uint8 RGB images, array or tensor.
        original_index: n whole numbers, which original each perturbed image belongs to; without it, image i to
            original i, or all to the only one.
        color: "both" fills all four similarities, "rgb" only `pass_` and `ssim`, "gray" only `pass_gray` and
            `ssim_gray`; the others are NaN. The alignment is found on the grey images in any case.
        align: False computes only plain SSIM; status, warp, iterations and ecc then mean nothing.
        unaligned: False leaves out plain SSIM.
        engine: "cpu" (compiled, exact to the last bit whatever the threads), "torch" (batched, for an accelerator),
            "auto": torch where `device` or the images are on an accelerator.
        threads: of the CPU engine, all that the process may use by default.
        device: of the torch engine.
        progress: called with the number of pairs that have just been finished.

    Raises:
        TypeError: images are not uint8.
        ValueError: wrong shape, images smaller than SSIM's window, an index that does not fit, another option wrong.
        UserError: there is no such device.
    """
    if color not in _CHANNELS:
        raise ValueError(f"color must be both, rgb or gray, not {color!r}")
    if not (threads is None or (isinstance(threads, Integral) and threads >= 1)):
        raise ValueError(f"threads must be None or a whole number from 1 on, not {threads!r}")
    originals, perturbed = _checked(originals, "originals"), _checked(perturbed, "perturbed images")
    if originals.shape[1:] != perturbed.shape[1:]:
        raise ValueError(
            f"originals {tuple(originals.shape)} and perturbed images {tuple(perturbed.shape)} differ in size"
        )
    index = _checked_index(original_index, len(originals), len(perturbed))
    chosen = choose_engine(engine, device, originals, perturbed)
    options = {"channels": _CHANNELS[color], "align": align, "unaligned": unaligned, "progress": progress}
    if chosen == "torch":
        from faceflip.runtime.device import existing
        from faceflip.similarity import batched

        device = None if device is None else existing(device)
        return batched.score(originals, perturbed, index, device=device, **options)
    from faceflip.similarity import cpu

    arrays = (images.detach().cpu().numpy() if _is_tensor(images) else images for images in (originals, perturbed))
    return cpu.score(*map(np.ascontiguousarray, arrays), index, threads=threads, **options)


def pass_score(original: Any, perturbed: Any, *, color: Literal["rgb", "gray"] = "rgb") -> float:
    """Compute PASS of one perturbed image against its original (both h x w x 3 uint8 RGB)."""
    if color not in ("rgb", "gray"):
        raise ValueError(f"color must be rgb or gray, not {color!r}")
    pair = (image[None] if _is_tensor(image) else np.asarray(image)[None] for image in (original, perturbed))
    scores = pass_scores(*pair, color=color, unaligned=False, threads=1)
    return float((scores.pass_ if color == "rgb" else scores.pass_gray)[0])


def score_table(originals: Any, perturbed: Any, **options: Any) -> "pd.DataFrame":
    """Score pairs like `pass_scores` and return one row a pair.

    Columns: pass, ssim, pass_gray, ssim_gray, ecc (float64), iterations (int32), alignment (label of `Alignment`).
    """
    import pandas as pd

    return pd.DataFrame(dict(pass_scores(originals, perturbed, **options).columns()))
