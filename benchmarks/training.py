"""Training speed: the product's loop against bare forward, backward and step on one batch that stays on the device.

Everything that the loop adds (images, shuffling, labels, learning rate, loss and error, progress, saved states) is what
it may lose to the bare loop. Both sides run in turn, so that a busy machine slows them alike; a ratio is the median of
the ratios of neighbouring runs.

    python benchmarks/training.py [--repeats 7] [--seconds 4]        the embedded default's network, on the CPU
    python benchmarks/training.py --full [--batch-sizes 64 128 256]  the paper's network and images; for a GPU
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import numpy as np
import torch
from machine import described, forget_peak, peak, wait

from faceflip.data.celeba import SPLIT_SIZES
from faceflip.errors import UserError
from faceflip.networks.network import NetworkSpec, build
from faceflip.runtime.device import computing_on
from faceflip.runtime.progress import Progress, duration
from faceflip.training.feed import LabelledImages
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.training.loop import Training
from faceflip.training.resuming import Unfinished
from faceflip.workflow.estimate import Estimate, cost_of
from faceflip.workflow.settings import Settings, read_config

PROJECT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    name: str
    spec: NetworkSpec
    options: TrainingOptions
    residence: str = "auto"


def noise(spec: NetworkSpec, count: int, folder: Path) -> LabelledImages:
    """Random images in a memory map, as the packed dataset is one, and random labels."""
    width, height = spec.image_size
    path = folder / f"{count}-{width}x{height}"
    random = np.random.default_rng(0)
    if not path.exists():
        written = np.memmap(path, np.uint8, "w+", shape=(count, height, width, 3))
        for start in range(0, count, 1024):
            block = written[start : start + 1024]
            block[:] = random.integers(0, 256, block.shape, dtype=np.uint8)
        written.flush()
    images = np.memmap(path, np.uint8, "r", shape=(count, height, width, 3))
    labels = random.choice([-1, 1], (count, len(spec.attributes))).astype(np.int8)
    return LabelledImages(images, np.arange(count), labels)


def bare(case: Case, data: LabelledImages, device: torch.device) -> Callable[[int], None]:
    """Return a function that takes so many bare steps with PyTorch's own optimiser on one batch."""
    torch.manual_seed(0)
    network, options = build(case.spec, seed=0).to(device), case.options
    forward = torch.compile(network) if options.compile else network
    optimiser = torch.optim.RMSprop(
        network.parameters(), lr=options.learning_rate, alpha=options.rms_decay, eps=options.rms_delta, foreach=True
    )
    size = options.batch_size
    images = torch.from_numpy(data.gather(np.arange(size))).to(device).permute(0, 3, 1, 2).float()
    labels = torch.from_numpy(data.labels[:size]).to(device).float()

    def run(steps: int) -> None:
        network.train()
        for _ in range(steps):
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast(device.type, torch.bfloat16, enabled=options.precision == "bfloat16"):
                scores = forward(images)
            network.objective.loss(scores.float(), labels).mean().backward()
            optimiser.step()
        wait(device)

    return run


def product(case: Case, data: LabelledImages, device: torch.device, folder: Path) -> Callable[[int], None]:
    """Return a function that runs the product's loop for so many steps, as the workflow's jobs do."""
    few = LabelledImages(data.images, data.rows[:1], data.labels[:1])
    # As many steps as are asked for: more than the configuration allows.
    options = case.options.model_copy(update={"max_epochs": 10**6, "patience": 10**6})
    training = Training(build(case.spec, seed=0).to(device), data, few, options, 0, case.residence)
    unfinished = Unfinished(folder / "unfinished", {}, every=300)
    progress = Progress("train", "images")

    class EnoughStepsError(Exception):
        """Ends the loop, which otherwise ends with the epochs."""

    def run(steps: int) -> None:
        done = 0

        def after_step(training: Training) -> None:
            nonlocal done
            if unfinished.due:
                unfinished.save(training.state(), [])
            done += bool(training.step)  # it is also called between epochs
            if done == steps:
                raise EnoughStepsError

        try:
            training.run(lambda *_: None, progress, after_step)
        except EnoughStepsError:
            wait(device)

    return run


class Times(NamedTuple):
    """Seconds of one run: by the clock, and of the processor."""

    wall: float
    processor: float


def timed(function: Callable[[int], None], steps: int) -> Times:
    wall, processor = time.perf_counter(), time.process_time()
    with redirect_stdout(None):
        function(steps)
    return Times(time.perf_counter() - wall, time.process_time() - processor)


def steps_within(seconds: float, loop: Callable[[int], None], most: int) -> int:
    """Return how many steps fill so many seconds: 2 at least, and no more than an epoch has."""
    return max(2, min(round(seconds / timed(loop, 1).wall), most))


def ratio(times: dict[str, list[Times]], clock: str) -> str:
    """Return how fast the product's loop is against the bare one in runs side by side: median and extremes."""
    pairs = zip(times["bare"], times["product"], strict=True)
    ratios = sorted(getattr(a, clock) / getattr(b, clock) for a, b in pairs)
    return f"{statistics.median(ratios):.0%} ({ratios[0]:.0%}-{ratios[-1]:.0%})"


def measure(case: Case, data: LabelledImages, device: torch.device, folder: Path, repeats: int, seconds: float) -> None:
    """Print a row: images/s of both loops, the ratio, memory, and what the paper's training would take."""
    size = case.options.batch_size
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = case.options.tf32
        torch.cuda.empty_cache()
    forget_peak(device)
    loops = {"bare": bare(case, data, device), "product": product(case, data, device, folder)}
    for loop in loops.values():
        timed(loop, 2)
    steps = steps_within(seconds, loops["bare"], len(data.rows) // size)
    times: dict[str, list[Times]] = {name: [] for name in loops}
    for _ in range(repeats):
        for name, loop in loops.items():
            times[name].append(timed(loop, steps))
    speeds = {name: steps * size / statistics.median(each.wall for each in taken) for name, taken in times.items()}
    cost = cost_of(case.spec)
    row = [case.name, size, f"{speeds['bare']:,.0f}", f"{speeds['product']:,.0f}", ratio(times, "wall")]
    row += [ratio(times, "processor"), f"{2e-12 * cost.training * speeds['product']:.3g}"]
    if case.spec.architecture.width == 1:
        epoch = (SPLIT_SIZES["train"] + SPLIT_SIZES["validation"] * cost.forward / cost.training) / speeds["product"]
        row += [duration(epoch), duration(81 * case.options.max_epochs * epoch)]
    if device.type == "cuda":
        row += [peak(device)]
    print("|", " | ".join(map(str, row)), "|", flush=True)


def cases(arguments: argparse.Namespace, device: torch.device) -> list[Case]:
    overlays = [PROJECT / "workflow/presets/paper.yaml"] if arguments.full else []
    estimate = Estimate.of(Settings.of(read_config(PROJECT, overlays)))
    networks = estimate.plan.networks
    kinds = {name: (estimate.spec(name), network.settings.training) for name, network in networks.items()}
    spec, options = kinds["euclidean"]
    if not arguments.full:
        return [Case(name, *kind) for name, kind in kinds.items()]

    def changed(options: TrainingOptions, **changes: object) -> TrainingOptions:
        return options.model_copy(update=changes)

    sizes = [changed(options, batch_size=size) for size in arguments.batch_sizes]
    rows = [Case("float32", spec, each) for each in sizes]
    if device.type == "cuda":
        rows += [Case("tf32", spec, changed(each, tf32=True)) for each in sizes]
        rows += [Case("bfloat16", spec, changed(each, precision="bfloat16")) for each in sizes]
        fastest = changed(sizes[0], precision="bfloat16")
        rows += [Case("bfloat16, images read ahead", spec, fastest, "never")]
        rows += [Case("bfloat16, MOON", kinds["moon"][0], fastest)]
        rows += [Case("bfloat16, compiled", spec, changed(fastest, compile=True))]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="VGG-16 at full width on 178 x 218 pixels")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[64, 128, 256], help="with --full")
    parser.add_argument("--images", type=int, help="in the memory map; 8,192 at full size, 1,600 else")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4, help="of each run")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    arguments = parser.parse_args()
    wanted = arguments.device if arguments.full or arguments.device != "auto" else "cpu"
    count = arguments.images or (8192 if arguments.full else 1600)
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder) as folder,
        computing_on(wanted, arguments.threads, deterministic=True) as device,
    ):
        print(f"{described(device, arguments.threads)}; median of {arguments.repeats} runs each, in turn\n")
        columns = ["", "batch", "bare, images/s", "product, images/s", "ratio", "by processor time", "TFLOP/s"]
        columns += ["an epoch", "81 networks"] if arguments.full else []
        columns += ["memory"] if device.type == "cuda" else []
        print("|", " | ".join(columns), "|")
        print("|" + "---|" * len(columns), flush=True)
        for case in cases(arguments, device):
            data = noise(case.spec, count, Path(folder))
            try:
                measure(case, data, device, Path(folder), arguments.repeats, arguments.seconds)
            except (torch.OutOfMemoryError, UserError) as error:
                print(f"| {case.name} | {case.options.batch_size} | {str(error).splitlines()[0]} |", flush=True)
        if arguments.full:
            print(
                f"\nAn epoch is that of CelebA with its validation, 81 networks are those of the paper with "
                f"{case.options.max_epochs} epochs each: by arithmetic from the speed."
            )


if __name__ == "__main__":
    main()
