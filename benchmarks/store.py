"""Speed and size of the perturbation store, against bare h5py with the same filter and against NumPy's .npz.

Ratios come from runs that alternate, so that a busy machine slows both sides alike.

    python benchmarks/store.py [--images 600] [--repeats 5] [--folder /tmp]
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import h5py  # noqa: E402
import numpy as np  # noqa: E402

from faceflip.store import StoreHeader, StoreWriter, open_store, write_joined_view  # noqa: E402
from faceflip.store.check import check  # noqa: E402
from faceflip.store.compression import filters  # noqa: E402

HEIGHT, WIDTH = 218, 178
BLOCK = 50
NPZ_IMAGES = 100
"""NumPy compresses at level 6, which takes long."""
ATTACKS = ("fgs-line", "ffa-line", "fgs-iterative", "ffa-iterative")


def gradients(count: int) -> np.ndarray:
    """Input gradients of an untrained convolutional network at smooth images: (count, H, W, 3), max-abs 1."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    torch.set_num_threads(1)
    layers = [nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()]
    network = nn.Sequential(*layers, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * (HEIGHT // 8) * (WIDTH // 8), 1))
    rows = []
    for _ in range(count):
        noise = torch.rand(1, 3, 14, 12)
        image = nn.functional.interpolate(noise, (HEIGHT, WIDTH), mode="bicubic").requires_grad_()
        (gradient,) = torch.autograd.grad(network(image).sum(), image)
        rows.append((gradient / gradient.abs().max())[0].permute(1, 2, 0).numpy())
    return np.ascontiguousarray(np.stack(rows))


def perturbations(attack: str, directions: np.ndarray) -> np.ndarray:
    """Perturbations as an attack makes them from such gradients: int16, eps of a few pixel values."""
    rng = np.random.default_rng(0)
    count = len(directions)
    if attack == "fgs-line":
        return (np.sign(directions) * rng.integers(1, 6, (count, 1, 1, 1))).astype(np.int16)
    if attack == "ffa-line":
        return np.rint(directions * rng.uniform(2, 30, (count, 1, 1, 1))).astype(np.int16)
    # A few steps whose gradients change slowly from one to the next.
    steps = 4
    later = [directions + 0.3 * np.roll(directions, step + 1, axis=0) for step in range(steps)]
    if attack == "fgs-iterative":
        return sum(np.sign(gradient) for gradient in later).astype(np.int16)
    return np.rint(sum(5 * gradient for gradient in later)).astype(np.int16)


def entropy_bytes(images: np.ndarray) -> float:
    """Mean over the images of the order-0 entropy of their values, in bytes an image."""
    total = 0.0
    for image in images:
        _, counts = np.unique(image, return_counts=True)
        share = counts / image.size
        total -= (share * np.log2(share)).sum() * image.size / 8
    return total / len(images)


def write_store(path: Path, images: np.ndarray, compression: str, shard: int = 0) -> None:
    path.unlink(missing_ok=True)
    count = len(images)
    header = StoreHeader(
        sample="paper",
        network="euclidean",
        checkpoint="converged",
        attack="ffa-line",
        parameters={"max_epsilon": 255},
        checkpoint_sha256={"Smiling": "00" * 32},
        dataset_fingerprint="00" * 32,
        seed=2018,
        shard=shard,
        first_attempt=shard * count,
    )
    with StoreWriter(path, header, count, images.shape[1:3], compression) as writer:
        for begin in range(0, count, BLOCK):
            rows = np.arange(begin, min(begin + BLOCK, count))
            writer.write(
                rows,
                perturbation=images[begin : begin + BLOCK],
                image=rows,
                file_name=[f"{row + 1:06d}.jpg" for row in rows],
                attribute="Smiling",
                label=1,
                score_before=1.0,
                score_after=-0.01,
                flipped=True,
                epsilon=3.0,
                steps=1,
                gradient_passes=1,
                forward_passes=15,
                outcome=0,
            )


def write_bare(path: Path, images: np.ndarray, compression: str) -> None:
    path.unlink(missing_ok=True)
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(
            "perturbation", images.shape, "<i2", chunks=(1, *images.shape[1:]), **filters(compression)
        )
        for begin in range(0, len(images), BLOCK):
            dataset[begin : begin + BLOCK] = images[begin : begin + BLOCK]
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_npz(path: Path, images: np.ndarray) -> None:
    path.unlink(missing_ok=True)
    np.savez_compressed(path, perturbation=images)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def read_store(path: Path) -> None:
    with open_store(path) as store:
        for block in store.blocks(size=BLOCK):
            assert block.perturbations.dtype == np.int16


def read_bare(path: Path, count: int) -> None:
    with h5py.File(path) as file:
        for begin in range(0, count, BLOCK):
            assert file["perturbation"][begin : begin + BLOCK].dtype == np.int16


def read_single_store(path: Path, rows: np.ndarray) -> None:
    with open_store(path) as store:
        for row in rows:
            assert store.perturbation(row) is not None


def read_single_bare(path: Path, rows: np.ndarray) -> None:
    with h5py.File(path) as file:
        dataset = file["perturbation"]
        for row in rows:
            assert dataset[row] is not None


class Times(NamedTuple):
    """Seconds of one run: by the clock, and of the processor."""

    wall: float
    cpu: float


def timed(function: Callable[[], None]) -> Times:
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return Times(time.perf_counter() - wall, time.process_time() - cpu)


def alternate(repeats: int, functions: dict[str, Callable[[], None]]) -> dict[str, list[Times]]:
    """Run the functions in turn, `repeats` times each after one run to warm up."""
    times = {name: [] for name in functions}
    for repeat in range(repeats + 1):
        for name, function in functions.items():
            taken = timed(function)
            if repeat:
                times[name].append(taken)
    return times


def report_speed(what: str, times: dict[str, list[Times]], megabytes: float) -> None:
    """Print MB/s of int16 data, and the medians of the ratios to bare h5py of the runs side by side."""
    bare = times["bare h5py"]
    for name, values in times.items():
        pairs = list(zip(bare, values, strict=True))
        wall, cpu = (statistics.median(pair[0][k] / pair[1][k] for pair in pairs) for k in range(2))
        speed = megabytes / statistics.median(value.wall for value in values)
        print(f"| {what} | {name} | {speed:,.0f} | {wall:.2f} | {cpu:.2f} |")


def measure_sizes(folder: Path, directions: np.ndarray) -> None:
    raw = HEIGHT * WIDTH * 3
    print("\n| attack | bytes a perturbation, gzip | of raw 8-bit | of entropy | blosc | of raw 8-bit |")
    print("|---|---|---|---|---|---|")
    for attack in ATTACKS:
        images = perturbations(attack, directions)
        sizes = {}
        for compression in ("gzip", "blosc"):
            write_store(folder / "size.h5", images, compression)
            sizes[compression] = (folder / "size.h5").stat().st_size / len(images)
        entropy = entropy_bytes(images)
        gzip, blosc = sizes["gzip"], sizes["blosc"]
        print(
            f"| {attack} | {gzip:,.0f} | {gzip / raw:.2f} | {gzip / entropy:.2f} | {blosc:,.0f} | {blosc / raw:.2f} |"
        )


def measure_speed(folder: Path, directions: np.ndarray, repeats: int) -> None:
    images = perturbations("ffa-line", directions)
    megabytes = images.nbytes / 1e6
    rows = np.random.default_rng(1).permutation(len(images))
    print("\n| what | how | MB/s of int16 | of bare h5py | by processor time |\n|---|---|---|---|---|")
    for compression in ("gzip", "blosc"):
        ours, bare = folder / f"ours-{compression}.h5", folder / f"bare-{compression}.h5"
        writers = {
            "bare h5py": lambda path=bare, how=compression: write_bare(path, images, how),
            "store": lambda path=ours, how=compression: write_store(path, images, how),
        }
        readers = {
            "bare h5py": lambda path=bare: read_bare(path, len(images)),
            "store": lambda path=ours: read_store(path),
        }
        report_speed(f"write, {compression}", alternate(repeats, writers), megabytes)
        report_speed(f"read in blocks, {compression}", alternate(repeats, readers), megabytes)
        single = {
            "bare h5py": lambda path=bare: read_single_bare(path, rows),
            "store": lambda path=ours: read_single_store(path, rows),
        }
        report_speed(f"read one by one, {compression}", alternate(repeats, single), megabytes)
    few, bare, npz = images[:NPZ_IMAGES], folder / "bare.h5", folder / "few.npz"
    writers = {"bare h5py": lambda: write_bare(bare, few, "gzip"), ".npz": lambda: write_npz(npz, few)}
    readers = {"bare h5py": lambda: read_bare(bare, len(few)), ".npz": lambda: np.load(npz)["perturbation"]}
    report_speed(f"write {NPZ_IMAGES}, gzip", alternate(repeats, writers), few.nbytes / 1e6)
    report_speed(f"read {NPZ_IMAGES}, gzip", alternate(repeats, readers), few.nbytes / 1e6)
    path = folder / "ours-gzip.h5"
    taken = statistics.median(timed(lambda: check(path)).wall for _ in range(repeats))
    print(f"\ncheck: {path.stat().st_size / 1e6 / taken:,.0f} MB/s of file")


def measure_view(folder: Path, directions: np.ndarray, repeats: int, shards: int = 400) -> None:
    images = perturbations("ffa-line", directions)[:2]
    paths = [folder / "view" / f"{number:03d}.h5" for number in range(shards)]
    for number, path in enumerate(paths):
        write_store(path, images, "gzip", number)
    view = folder / "view.h5"
    joining = timed(lambda: write_joined_view(view, paths)).wall

    def open_and_read(row: int) -> None:
        with open_store(view) as store:
            assert store.perturbation(row) is not None

    rows = np.random.default_rng(2).integers(0, 2 * shards, 10 * repeats)
    times = [timed(lambda row=row: open_and_read(int(row))) for row in rows]
    print(f"\njoined view of {shards} shards: {view.stat().st_size:,} bytes, joined in {joining:.1f} s")
    for name in Times._fields:
        values = [getattr(time_, name) * 1e3 for time_ in times]
        print(f"open and read one image: {statistics.median(values):.1f} ms {name}, best {min(values):.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    options = parser.parse_args()
    directions = gradients(options.images)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print(f"{options.images} perturbations of {WIDTH} x {HEIGHT}, {options.repeats} alternating runs")
        measure_sizes(Path(folder), directions)
        measure_speed(Path(folder), directions, options.repeats)
        measure_view(Path(folder), directions, options.repeats)


if __name__ == "__main__":
    main()
