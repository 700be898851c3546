"""Speed and agreement of PASS: oracle, both engines and other libraries' SSIM, pair for pair in one run.

    python benchmarks/similarity.py [--faces 4] [--rounds 3] [--json FILE] [--no-peers]
    python benchmarks/similarity.py --sensitivity [--run results]
    python benchmarks/similarity.py --batch-sizes 256 512 1024 [--device cuda]    the torch engine, for a GPU

Pair by pair, every contender is called a few times in a row and the shortest call counts, so that each finds its
caches as it would in the midst of its own work. Times on one core are processor time: other work on the machine does
not count. Those on all cores and on accelerators are wall time of whole batches. Ratios are between rows of the table,
never between runs.

With `--sensitivity` it tells instead what each choice of the definition changes, on adversarial images of a finished
run (`--run`, the folder of its results; the same number of every attack) or on pairs of its own.

With `--batch-sizes` it tells how many pairs a second the torch engine scores in batches of these sizes, which wait in
the machine's memory as those of the workflow do, and how far its scores lie from those of the CPU engine.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests" / "similarity")]

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import pass_oracle  # noqa: E402
import pass_plain  # noqa: E402
import torch  # noqa: E402
from machine import described, forget_peak, peak  # noqa: E402
from pass_pairs import pairs  # noqa: E402
from tabulate import tabulate  # noqa: E402

from faceflip.runtime.device import computing_on  # noqa: E402
from faceflip.similarity import Alignment, PassScores, batched, pass_scores  # noqa: E402
from faceflip.similarity.cpu import available_threads  # noqa: E402


def one(original: np.ndarray, perturbed: np.ndarray, **options) -> np.ndarray:
    scores = pass_scores(original[None], perturbed[None], threads=1, engine="cpu", **options)
    return (scores.pass_ if options.get("align", True) else scores.ssim)[0]


def peers() -> dict[str, Callable]:
    """Return other libraries' SSIM, called as their documentation shows, on float32 images on 0-255."""
    import kornia
    import pytorch_msssim
    from torchmetrics.functional.image import structural_similarity_index_measure

    def tensors(*images):
        return (torch.from_numpy(image).permute(2, 0, 1)[None].float() for image in images)

    return {
        "SSIM: pytorch-msssim": lambda a, b: pytorch_msssim.ssim(*tensors(a, b), data_range=255).item(),
        "SSIM: kornia": lambda a, b: kornia.metrics.ssim(*tensors(a, b), 11, 255.0, padding="valid").mean().item(),
        "SSIM: torchmetrics (pads the border)": lambda a, b: structural_similarity_index_measure(
            *tensors(a, b), data_range=255.0
        ).item(),
    }


def one_core(contenders: dict[str, Callable], sample: list, rounds: int) -> tuple[dict, dict]:
    """Time and call each contender on each pair; returns milliseconds and values, contender -> array over pairs."""
    times = {name: np.full(len(sample), np.inf) for name in contenders}
    values = {name: np.empty(len(sample)) for name in contenders}
    for k, (original, perturbed) in enumerate(sample):
        for name, call in contenders.items():
            for _ in range(rounds):
                start = time.process_time()
                values[name][k] = call(original, perturbed)
                times[name][k] = min(times[name][k], (time.process_time() - start) * 1e3)
    return times, values


def batches(contenders: dict[str, Callable], count: int, rounds: int) -> tuple[dict, dict]:
    """Time whole batches, by the wall clock unless on one core; returns milliseconds a pair and values."""
    times = dict.fromkeys(contenders, np.inf)
    values = {}
    for _ in range(rounds):
        for name, call in contenders.items():
            clock = time.process_time if "1 core" in name else time.perf_counter
            start = clock()
            values[name] = call()
            times[name] = min(times[name], (clock() - start) * 1e3 / count)
    return times, values


def variants(original: np.ndarray, perturbed: np.ndarray) -> dict[str, float]:
    """Score one pair as the definition says and with one choice changed at a time."""
    scores = pass_scores(original[None], perturbed[None], threads=1, engine="cpu")
    rebuilt = {
        "at most 5 iterations": {"iterations": 5},
        "at most 10 iterations": {"iterations": 10},
        "stop at 1e-5 px, at most 400 iterations": {"tolerance": 1e-5, "iterations": 400},
        "pixels beyond the border take no part in the alignment": {"mask": "inside"},
    }
    return {
        "pass-1": scores.pass_[0],
        "grey": scores.pass_gray[0],
        "no alignment": scores.ssim[0],
        **{name: pass_plain.score(original, perturbed, **options)[0] for name, options in rebuilt.items()},
        "OpenCV 5 + scikit-image": pass_oracle.score(original, perturbed)[0],
    }


def pairs_of_run(results: Path, each: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return originals, perturbed images, and the original of each: `each` adversarial images of every attack."""
    from faceflip.data.packed import open_dataset
    from faceflip.store import open_store

    images = open_dataset(results / "dataset" / "faces.h5").images
    rows, perturbed = [], []
    for path in sorted(results.glob("attacks/*/*/*/*.h5")):
        with open_store(path) as store:
            flipped = store.select(outcome="flipped")
            for row in flipped[np.linspace(0, len(flipped) - 1, min(each, len(flipped))).astype(int)]:
                rows.append(store.attempts["image"].iloc[row])
                perturbed.append(store.adversarial(row, images))
    owners, index = np.unique(rows, return_inverse=True)
    return np.take(images, owners, axis=0), np.stack(perturbed), index


def sensitivity(originals: np.ndarray, perturbed: np.ndarray, index: np.ndarray) -> str:
    """Return a table of what each choice of the definition changes in PASS and in decisions."""
    found = [variants(originals[k], image) for k, image in zip(index, perturbed, strict=True)]
    values = {name: np.array([row[name] for row in found]) for name in found[0]}
    reference = values.pop("pass-1")
    rows = []
    for name, other in values.items():
        change = other - reference
        decisions = [int(((other >= tau) != (reference >= tau)).sum()) for tau in (0.9, 0.95, 0.99)]
        rows.append([name, change.mean(), np.median(np.abs(change)), np.abs(change).max(), *decisions])
    headings = ["instead", "mean change", "median size", "largest", "decisions at 0.9", "at 0.95", "at 0.99"]
    formats = ("", "+.1e", ".1e", ".1e", "d", "d", "d")
    title = f"{len(perturbed)} pairs, {originals.shape[2]} x {originals.shape[1]} pixels\n"
    return title + tabulate(rows, headers=headings, floatfmt=formats, tablefmt="github")


def put_together(kinds: dict[str, tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return originals, perturbed images, and the original of each, of pairs of all kinds."""
    originals, owners = np.unique(np.concatenate([both[0] for both in kinds.values()]), axis=0, return_inverse=True)
    return originals, np.concatenate([both[1] for both in kinds.values()]), owners


ENGINE_HEADINGS = ["batch", "pairs/s", "largest difference", "settled pairs", "other ends", "memory"]


def torch_engine(
    originals: np.ndarray, perturbed: np.ndarray, index: np.ndarray, sizes: list[int], device: torch.device, rounds: int
) -> Iterator[tuple[list[str], float]]:
    """Yield a row for each batch size, the torch engine's speed and its differences from the CPU engine, and pairs/s.

    The pairs are repeated until there are two full batches of the largest size or more.
    """
    expected = pass_scores(originals, perturbed, original_index=index, engine="cpu")
    repeats = -(-2 * max(sizes) // len(perturbed))
    many, owners = np.tile(perturbed, (repeats, 1, 1, 1)), np.tile(index, repeats)
    for size in sizes:

        def run(count: int, size: int = size) -> PassScores:
            options = {"channels": 4, "align": True, "unaligned": True, "device": device, "batch": size}
            return batched.score(originals, many[:count], owners[:count], **options)

        forget_peak(device)
        try:
            run(size)
        except torch.OutOfMemoryError:
            yield [str(size), "out of memory"], 0.0
            continue
        count, seconds = len(many) // size * size, []
        for _ in range(rounds):
            start = time.perf_counter()
            found = run(count)
            seconds.append(time.perf_counter() - start)
        compared = min(count, len(perturbed))
        difference, settled, otherwise = against(found[:compared], expected[:compared])
        median, *extremes = (count / each for each in (np.median(seconds), max(seconds), min(seconds)))
        speed = "{:,.1f} ({:,.1f}-{:,.1f})".format(median, *extremes)
        yield [str(size), speed, f"{difference:.1e}", str(settled), str(otherwise), peak(device)], median


def against(found: PassScores, expected: PassScores) -> tuple[float, int, int]:
    """Return the largest difference of scores on pairs that settle in both, their number, and how many end otherwise.

    An alignment that has not settled within the steps allowed goes on moving; its last digits are nobody's.
    """
    ends = (Alignment.IDENTICAL, Alignment.CONVERGED)
    settled = np.isin(found.status, ends) & np.isin(expected.status, ends)
    largest = max(
        np.abs(getattr(found, name) - getattr(expected, name))[settled].max(initial=0)
        for name in ("pass_", "ssim", "pass_gray", "ssim_gray")
    )
    return largest, int(settled.sum()), int((found.status != expected.status).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--faces", type=int, default=4, help="originals; 62 pairs each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=1, help="repeat the pairs of the batched contenders so often")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--sensitivity", action="store_true")
    parser.add_argument("--run", type=Path, metavar="RESULTS", help="take pairs of a run (with --sensitivity)")
    parser.add_argument("--each", type=int, default=30, help="pairs of every attack of the run")
    parser.add_argument("--batch-sizes", type=int, nargs="+", help="of the torch engine, such as 256 512 1024")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="with --batch-sizes")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    if arguments.sensitivity and arguments.run:
        print(sensitivity(*pairs_of_run(arguments.run, arguments.each)))
        return

    kinds = pairs(arguments.faces)
    sample = [pair for both in kinds.values() for pair in zip(*both, strict=True)]
    originals, perturbed, owners = put_together(kinds)
    perturbed, index = np.tile(perturbed, (arguments.repeat, 1, 1, 1)), np.tile(owners, arguments.repeat)

    if arguments.sensitivity:
        print(sensitivity(originals, perturbed, index))
        return
    if arguments.batch_sizes:
        with computing_on(arguments.device, threads=1) as device:
            rows = [
                row
                for row, _ in torch_engine(originals, perturbed, index, arguments.batch_sizes, device, arguments.rounds)
            ]
            size = f"{originals.shape[2]} x {originals.shape[1]} pixels"
            print(f"{size}, {described(device)}; median (slowest-fastest) of {arguments.rounds} runs\n")
            print(tabulate(rows, headers=ENGINE_HEADINGS, tablefmt="github", disable_numparse=True))
        return

    aligned = {
        "PASS: oracle (OpenCV 5 + scikit-image)": lambda a, b: pass_oracle.score(a, b)[0],
        "PASS: ours": lambda a, b: one(a, b, color="rgb", unaligned=False),
        "PASS and SSIM, colour and grey: ours": one,
    }
    plain = {
        "SSIM: scikit-image": pass_oracle.ssim,
        "SSIM: ours": lambda a, b: one(a, b, color="rgb", align=False),
    }
    for call in (*aligned.values(), *plain.values()):
        call(*sample[0])
    singles = {**aligned, **plain, **({} if arguments.no_peers else peers())}
    times, values = one_core(singles, sample, arguments.rounds)

    device = "cuda" if torch.cuda.is_available() else "cpu"
    threads = available_threads()
    options = {"original_index": index}
    whole = {
        f"all four: ours, batch, {threads} cores": lambda: pass_scores(originals, perturbed, engine="cpu", **options),
        "all four: ours, batch, 1 core": lambda: pass_scores(originals, perturbed, engine="cpu", threads=1, **options),
        f"all four: torch, batch, {device}": lambda: pass_scores(
            originals, perturbed, engine="torch", device=device, **options
        ),
    }
    batch_times, batch_values = batches(whole, len(perturbed), arguments.rounds if device == "cuda" else 1)

    truth = values["PASS: oracle (OpenCV 5 + scikit-image)"], values["SSIM: scikit-image"]
    reference = times["PASS: oracle (OpenCV 5 + scikit-image)"].mean()
    rows = []
    for name in singles:
        milliseconds, difference = times[name], np.abs(values[name] - truth[name.startswith("SSIM")])
        spread = milliseconds.mean(), np.median(milliseconds), np.quantile(milliseconds, 0.95)
        rows.append([name, *spread, reference / spread[0], np.median(difference), difference.max()])
    for name, milliseconds in batch_times.items():
        difference = np.abs(batch_values[name].pass_[: len(sample)] - truth[0])
        rows.append([name, milliseconds, None, None, reference / milliseconds, np.median(difference), difference.max()])
    headings = ["", "ms a pair", "median", "95 %", "times the oracle's speed", "median difference", "largest"]
    formats = ("", ".2f", ".2f", ".2f", ".1f", ".1e", ".1e")
    print(f"{len(sample)} pairs of {len(kinds)} kinds, {originals.shape[2]} x {originals.shape[1]} pixels")
    print(tabulate(rows, headers=headings, floatfmt=formats, tablefmt="github"))

    difference = np.abs(values["PASS: ours"] - truth[0])
    ratios = times["PASS: oracle (OpenCV 5 + scikit-image)"] / times["PASS: ours"]
    print(f"\nours and oracle: median {np.median(difference):.1e}, 99th percentile {np.quantile(difference, 0.99):.1e}")
    print(f"speed pair for pair: median {np.median(ratios):.1f}, from {ratios.min():.1f} to {ratios.max():.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"headings": headings, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
