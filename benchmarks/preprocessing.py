"""Speed and memory of packing a dataset, against bare decoding and bare writing of the same images; speed of drawing.

The limit is the time of decoding alone plus that of writing alone, with the same threads on the same files (from an
archive, decoding reads by Python's zipfile): packing also checks, hashes and stores, and gains by doing some of it at
the same time. Ratios come from runs that alternate, so
that a busy machine slows all sides alike. The images are drawn faces, a few of them under many names.

    python benchmarks/preprocessing.py [--images 4000] [--faces 1000] [--threads 2] [--repeats 5] [--folder /tmp]
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import numpy as np
import simplejpeg

from faceflip.data import synthetic
from faceflip.data.celeba import ANNOTATIONS, HEIGHT, IMAGES, PARTITION, WIDTH
from faceflip.data.celeba.decoding import decoders
from faceflip.data.packing import pack_dataset
from faceflip.data.synthetic.folder import attribute_text, partition_text
from faceflip.data.synthetic.image import draw_image, encode, file_name

FACES = 100
"""Different faces among the images."""
BYTES = WIDTH * HEIGHT * 3
"""Of a decoded image."""


def write_celeba(folder: Path, images: int) -> None:
    """Write a CelebA of so many images, the same few faces again and again."""
    rng = np.random.default_rng(0)
    faces = [encode(draw_image(0, number, rng.normal(0, 2, 40))) for number in range(1, FACES + 1)]
    (folder / IMAGES).mkdir(parents=True)
    for number in range(images):
        (folder / IMAGES / file_name(number + 1)).write_bytes(faces[number % FACES])
    (folder / ANNOTATIONS).write_text(attribute_text(rng.choice([-1, 1], (images, 40)).astype(np.int8)))
    (folder / PARTITION).write_text(partition_text({"train": images - 2, "validation": 1, "test": 1}))


def zip_images(folder: Path, zipped: Path) -> None:
    """Write the same CelebA with its images in an archive."""
    zipped.mkdir()
    for name in (ANNOTATIONS, PARTITION):
        (zipped / name).write_bytes((folder / name).read_bytes())
    with zipfile.ZipFile(zipped / f"{IMAGES}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((folder / IMAGES).iterdir()):
            archive.write(path, f"{IMAGES}/{path.name}")


def decode_bare(paths: list[Path], threads: int) -> None:
    def decode(part: list[Path]) -> None:
        for path in part:
            simplejpeg.decode_jpeg(path.read_bytes(), "RGB")

    in_threads(decode, paths, threads)


def decode_archive_bare(path: Path, threads: int) -> None:
    def decode(part: list[str]) -> None:
        for name in part:
            simplejpeg.decode_jpeg(archive.read(name), "RGB")

    with zipfile.ZipFile(path) as archive:
        in_threads(decode, archive.namelist(), threads)


def in_threads(work: Callable[[list], None], items: list, threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [items[start : start + 64] for start in range(0, len(items), 64)]))


def write_bare(path: Path, images: int) -> None:
    block = np.random.default_rng(0).integers(0, 256, (256, BYTES), np.uint8)
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        for start in range(0, images, len(block)):
            file.write(block[: images - start])
        file.flush()
        os.fsync(file.fileno())


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure_speed(folder: Path, images: int, threads: int, repeats: int) -> None:
    celeba, zipped, output = folder / "celeba", folder / "zipped", folder / "packed.h5"
    write_celeba(celeba, images)
    zip_images(celeba, zipped)
    paths = sorted((celeba / IMAGES).iterdir())
    work = {
        "bare decoding": lambda: decode_bare(paths, threads),
        "bare decoding from the archive": lambda: decode_archive_bare(zipped / f"{IMAGES}.zip", threads),
        "bare writing": lambda: write_bare(folder / "bare", images),
        "packing a folder": lambda: pack_dataset(celeba, output, threads=threads),
        "packing an archive": lambda: pack_dataset(zipped, output, threads=threads),
    }
    times = {name: [] for name in work}
    for repeat in range(repeats + 1):
        for name, function in work.items():
            taken = seconds(function)
            if repeat:  # the first round warms up
                times[name].append(taken)
    limits = {
        "packing a folder": ["bare decoding", "bare writing"],
        "packing an archive": ["bare decoding from the archive", "bare writing"],
    }
    read = sum(path.stat().st_size for path in paths)
    print("| what | images/s | MB/s of pixels | MB/s of JPEG | share of the limit |\n|---|---|---|---|---|")
    for name, values in times.items():
        middle = statistics.median(values)
        told = ""
        if name in limits:
            rounds = zip(*(times[part] for part in limits[name]), values, strict=True)
            told = f"{statistics.median((decoding + writing) / value for decoding, writing, value in rounds):.2f}"
        speeds = (images / middle, images * BYTES / middle / 1e6, read / middle / 1e6)
        print(f"| {name} | {speeds[0]:,.0f} | {speeds[1]:,.0f} | {speeds[2]:,.1f} | {told} |")


def peak_memory(celeba: Path, output: Path, threads: int) -> float:
    """Return the peak memory in MB of a process that does nothing but pack."""
    command = [sys.executable, __file__, "--pack", celeba, output, "--threads", str(threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure_memory(folder: Path, images: int, threads: int) -> None:
    print("\n| images | peak memory, MB | size of the dataset, MB |\n|---|---|---|")
    for count in (images // 4, images):
        celeba = folder / f"celeba-{count}"
        write_celeba(celeba, count)
        peak = peak_memory(celeba, folder / "packed.h5", threads)
        print(f"| {count:,} | {peak:,.0f} | {count * BYTES / 1e6:,.0f} |")


def measure_drawing(folder: Path, faces: int, workers: int, repeats: int) -> None:
    """Draw faces by one process and by several, in turn."""
    drawn = {"train": faces, "validation": 0, "test": 0, "seed": 0}
    work = {count: partial(synthetic.write_celeba, folder / "drawn", **drawn, workers=count) for count in (1, workers)}
    times: dict[int, list[float]] = {count: [] for count in work}
    for _ in range(repeats):
        for count, function in work.items():
            times[count].append(seconds(function))
    print("\n| processes | faces/s | times one |")
    print("|---|---|---|")
    for count, spent in times.items():
        gained = statistics.median(one / several for one, several in zip(times[1], spent, strict=True))
        print(f"| {count} | {faces / statistics.median(spent):,.0f} | {gained:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--faces", type=int, default=1000, help="faces to draw")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    parser.add_argument("--pack", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pack:
        pack_dataset(*options.pack, threads=options.threads)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print(f"{options.images:,} images, {options.threads} threads, {decoders()['JPEG']}, {options.repeats} rounds\n")
        measure_speed(Path(folder), options.images, options.threads, options.repeats)
        measure_memory(Path(folder), options.images, options.threads)
        measure_drawing(Path(folder), options.faces, options.threads, options.repeats)


if __name__ == "__main__":
    main()
