"""How a person would see the attempts of a shard: PASS and plain SSIM of every flipped image."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from faceflip.catalogue import SIMILARITIES
from faceflip.data.packed import Dataset
from faceflip.errors import UserError
from faceflip.pixels import perturbed
from faceflip.registry import load
from faceflip.runtime.progress import ProgressCallback, counted
from faceflip.similarity import NAME, pairs_a_call, parameters
from faceflip.store import Store, open_store
from faceflip.store.scores import STORE_SHA256


def adversarial_blocks(
    store: Store, dataset: Dataset, rows: np.ndarray | None = None, size: int = 256
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (rows, image rows of the dataset, adversarial images uint8) of flipped attempts, a block at a time.

    Raises UserError where the perturbations cannot be read, or do not fit the dataset's images.
    """
    images = store.column("image")
    for block in store.blocks(rows, size):
        originals = images[block.rows]
        try:
            adversarial = perturbed(np.take(dataset.images, originals, axis=0), block.perturbations)
        except (IndexError, ValueError) as error:
            raise UserError(
                f"{store.path}: some of /perturbation[{block.rows[0]}..{block.rows[-1]}] do not fit the images of the "
                f"dataset ({error}); give the dataset that was attacked"
            ) from error
        yield block.rows, originals, adversarial


@contextmanager
def spooled(blocks: Iterable[np.ndarray], shape: tuple[int, ...], folder: Path | None = None) -> Iterator[np.ndarray]:
    """Write blocks of images, uint8, to a file without a name, and yield them as one mapped array of a shape.

    The file lies in `folder`, or where temporary files do.
    """
    if not shape[0]:
        yield np.empty(shape, np.uint8)
        return
    with tempfile.TemporaryFile(dir=folder) as file:
        for block in blocks:
            block.tofile(file)
        file.flush()
        yield np.memmap(file, np.uint8, "r", shape=shape)


def score_shard(
    path: Path | str,
    dataset: Dataset,
    color: str,
    engine: str = "auto",
    threads: int = 1,
    device: object = None,
    metrics: Mapping[str, str] | None = None,
    progress: ProgressCallback | None = None,
) -> pd.DataFrame:
    """Score all attempts of a store on the dataset that was attacked; `progress` counts pairs of images.

    The column `pass` holds the score of images in `color`, ``rgb`` or ``gray``. `engine` is ``cpu``, with `threads`,
    ``torch``, on `device`, or ``auto``. `metrics` are references to more similarities by the names of their columns;
    each is called with originals and perturbed images, (N, H, W, 3) uint8, and returns N numbers.

    Returns:
        One row an attempt: row (in the store), pass, ssim, pass_gray, ssim_gray, ecc (NaN where not flipped),
        iterations, alignment ("" where not flipped), and the columns of `metrics`. The frame's `attrs`, which go to the
        file with it, hold the definition's parameters as `similarity` and the digest in the store's seal as
        `store_sha256`.

    Raises UserError where the store cannot be read or belongs to another dataset, or a metric does not give N numbers.
    """
    with open_store(path) as store:
        store.require_dataset(dataset.fingerprint)
        digest = store.seal.sha256
        more = counted(progress, int((store.column("flipped") == 1).sum()))
        scores = pd.DataFrame(
            dict.fromkeys(("pass", "ssim", "pass_gray", "ssim_gray", "ecc"), np.nan), range(len(store))
        )
        scores = scores.assign(iterations=np.int32(0), alignment="", **dict.fromkeys(metrics or (), np.nan))
        score_table = load(SIMILARITIES[NAME].target)
        for rows, images, adversarial in adversarial_blocks(store, dataset, size=pairs_a_call(engine, device)):
            unique, index = np.unique(images, return_inverse=True)
            originals = np.take(dataset.images, unique, axis=0)
            table = score_table(
                originals, adversarial, original_index=index, engine=engine, threads=threads, device=device
            )
            for name, reference in (metrics or {}).items():
                table[name] = _measured(name, reference, originals[index], adversarial)
            scores.loc[rows, table.columns] = table.set_axis(rows)
            more(len(rows))
    if color == "gray":
        scores["pass"], scores["ssim"] = scores["pass_gray"], scores["ssim_gray"]
    scores.insert(0, "row", np.arange(len(scores)))
    scores.attrs.update({"similarity": {**parameters(), "color": color}, STORE_SHA256: digest})
    return scores


def _measured(name: str, reference: str, originals: np.ndarray, adversarial: np.ndarray) -> np.ndarray:
    """Return a similarity of your own, (N,) float64."""
    metric = load(reference)
    try:
        values = np.asarray(metric(originals, adversarial), dtype=np.float64)
    except Exception as error:
        raise UserError(f"similarity.metrics.{name}: {reference} fails ({type(error).__name__}: {error})") from error
    if values.shape != (len(originals),):
        raise UserError(
            f"similarity.metrics.{name}: {reference} gives an array of shape {values.shape} for {len(originals)} pairs "
            f"of images; expected ({len(originals)},)"
        )
    return values
