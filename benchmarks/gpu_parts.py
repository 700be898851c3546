"""The parts of benchmarks/gpu.py, each a process of its own, which writes what it finds as it finds it.

    python benchmarks/gpu_parts.py training --folder FOLDER [--device cuda] [--tiny]

FOLDER/NAME.jsonl gets a line for each row of a table, each note, and each speed that the hours are computed from.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from machine import described, forget_peak, peak, wait  # noqa: E402

from faceflip.errors import UserError  # noqa: E402
from faceflip.runtime.device import computing_on  # noqa: E402
from faceflip.workflow.estimate import Estimate  # noqa: E402
from faceflip.workflow.settings import Settings, merged, read_config  # noqa: E402

TESTED = ("training", "attacks", "similarity", "store", "networks", "device")
"""Folders of tests that have some for a GPU, in the order of their value."""


@dataclass(frozen=True)
class Bench:
    """What the parts are told, and where they write."""

    part: str
    folder: Path
    device: str
    tiny: bool

    def write(self, **found: Any) -> None:
        """Add a line, in one piece: the process may be ended at any moment."""
        with (self.folder / f"{self.part}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")

    def row(self, table: str, headings: list[str], row: list[str]) -> None:
        """Add a row to a table."""
        self.write(table=table, headings=headings, row=row)

    def note(self, text: str) -> None:
        """Add a sentence."""
        self.write(note=text)

    def speed(self, what: str, mode: str, batch: int, rate: float) -> None:
        """Add a speed: multiply-adds a second of training or attacks, pairs a second of PASS."""
        self.write(speed={"what": what, "mode": mode, "batch": batch, "rate": rate})

    @property
    def work(self) -> Path:
        """The folder for what need not last."""
        made = self.folder / "work" / self.part
        made.mkdir(parents=True, exist_ok=True)
        return made

    @cached_property
    def paper(self) -> Estimate:
        """The paper's preset; with `tiny` its networks are narrow."""
        config = read_config(ROOT, [ROOT / "workflow/presets/paper.yaml"])
        return Estimate.of(Settings.of(merged(config, {"architecture": {"width": 1 / 32}} if self.tiny else {})))

    @contextmanager
    def computing(self, deterministic: bool = False) -> Iterator[torch.device]:
        """Compute where jobs of the workflow would."""
        threads = 1 if self.tiny else len(os.sched_getaffinity(0))
        with computing_on(self.device, threads, deterministic=deterministic) as device:
            yield device


# The machine


def machine(bench: Bench) -> None:
    """Say what all of this is measured on."""
    with bench.computing() as device:
        bench.note(f"{described(device)}, Python {platform.python_version()}, {len(os.sched_getaffinity(0))} cores.")
        if device.type == "cuda":
            free, whole = torch.cuda.mem_get_info(device)
            bench.note(f"{whole / 2**30:.0f} GiB of GPU memory, {free / 2**30:.0f} of them free.")


# Tests


class Recorder:
    """Of pytest: writes how every test ended."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Write a test that was called, or did not come so far."""
        if report.when == "call" or not report.passed:
            self._write(report.nodeid, report.outcome, report)

    def pytest_collectreport(self, report: Any) -> None:
        """Write a file that cannot be read."""
        if report.failed:
            self._write(report.nodeid, "cannot be collected", report)

    def _write(self, name: str, ended: str, report: Any) -> None:
        if ended == "skipped":
            why = report.longrepr[-1] if isinstance(report.longrepr, tuple) else ""
        else:
            why = "" if ended == "passed" else str(report.longrepr).strip().splitlines()[-1]
        self.bench.row("Every test", ["test", "", "why"], [name, ended, why])


def tests(bench: Bench) -> None:
    """Run the tests that are marked gpu; raises UserError where some fail."""
    try:
        import pytest
    except ImportError:
        raise UserError("pytest is not installed here: no tests were run") from None
    chosen = ["tests/training/test_fused_rmsprop.py"] if bench.tiny else [f"tests/{folder}" for folder in TESTED]
    os.chdir(ROOT)
    status = pytest.main(
        ["-m", "gpu", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors", *chosen],
        plugins=[Recorder(bench)],
    )
    if status:
        raise UserError(f"pytest ends with {status!r}")


# Training


def training(bench: Bench) -> None:
    """Tell images/s and memory of the paper's training in several ways, and what the optimiser's kernel saves."""
    from training import Case, noise

    estimate = bench.paper
    spec, options = estimate.spec("euclidean"), estimate.plan.networks["euclidean"].settings.training
    small, middle, large = (4, 8, 16) if bench.tiny else (64, 128, 256)
    with bench.computing(deterministic=True) as device:
        data = noise(spec, 2 * large if bench.tiny else 8192, bench.work)
        on_gpu = device.type == "cuda"
        modes = {"float32": {}, **({"TF32": {"tf32": True}} if on_gpu else {}), "bfloat16": {"precision": "bfloat16"}}

        def case(mode: str, size: int, **more: Any) -> Case:
            return Case(mode, spec, options.model_copy(update={"batch_size": size, **modes[mode], **more}))

        def measured(name: str, each: Case) -> None:
            try:
                speed, memory = _trained(bench, each, data, device)
            except (torch.OutOfMemoryError, UserError) as error:
                bench.row(*table, [name, str(each.options.batch_size), str(error).splitlines()[0]])
                return
            rate = speed * estimate.costs["euclidean"].training
            row = [name, str(each.options.batch_size), f"{speed:,.0f}", f"{2e-12 * rate:.3g}", memory]
            bench.row(*table, row)
            bench.speed("training", name, each.options.batch_size, rate)

        table = "Images/s of the workflow's loop", ["", "batch", "images/s", "TFLOP/s", "memory"]
        for mode in reversed(modes):
            measured(mode, case(mode, small))
        _optimiser(bench, spec, device)
        if not on_gpu:
            return
        measured("bfloat16, compiled", case("bfloat16", small, compile=True))
        for size in (large, middle):
            for mode in reversed(modes):
                measured(mode, case(mode, size))
        torch.backends.cudnn.benchmark = True
        measured("bfloat16, cudnn.benchmark", case("bfloat16", small))
        torch.backends.cudnn.deterministic = False
        torch.use_deterministic_algorithms(False)
        measured("bfloat16, cudnn.benchmark, not deterministic", case("bfloat16", small))
        torch.backends.cudnn.benchmark = False
        measured("bfloat16, not deterministic", case("bfloat16", small))


def _trained(bench: Bench, case: Any, data: Any, device: torch.device) -> tuple[float, str]:
    """Return images/s of the loop that jobs run, and the peak of memory."""
    from training import product, steps_within, timed

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = case.options.tf32
    if device.type == "cuda":
        torch.cuda.empty_cache()
    forget_peak(device)
    loop, size = product(case, data, device, bench.work), case.options.batch_size
    timed(loop, 3)
    steps = steps_within(0.2 if bench.tiny else 3, loop, len(data.rows) // size)
    return steps * size / timed(loop, steps).wall, peak(device)


def _optimiser(bench: Bench, spec: Any, device: torch.device) -> None:
    """Tell how long a step of RMSProp takes by itself, by the kernel and by PyTorch's operations."""
    from faceflip.networks.network import build
    from faceflip.training.optimiser import RMSProp

    network = build(spec, seed=0).to(device)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    count, repeats = sum(each.numel() for each in network.parameters()), 3 if bench.tiny else 30
    for fused, numbers in ((None, 5), (False, 13)):
        optimiser = RMSProp(network.parameters(), decay=0.98, delta=1e-8, fused=fused)
        for _ in range(2):
            optimiser.step(1e-5)
        wait(device)
        begun = time.perf_counter()
        for _ in range(repeats):
            optimiser.step(1e-5)
        wait(device)
        seconds = (time.perf_counter() - begun) / repeats
        moved = 4 * count * (numbers if optimiser.fused else 13)
        row = [optimiser.how, f"{1000 * seconds:.3f}", f"{moved / 1e9:.2f}", f"{moved / seconds / 1e9:,.0f}"]
        bench.row("A step of RMSProp", ["", "ms", "GB read and written", "GB/s"], row)


# Attacks


def attacks(bench: Bench) -> None:
    """Tell attempts/s and efficiency of the paper's attacks, and whose verdicts low precision changes."""
    from attacks import FULL_HEADINGS, PAPER_ATTACKS, PROBES, Mode, drawn_faces, full, undecided

    faces = drawn_faces(4 if bench.tiny else 128, len(os.sched_getaffinity(0)))
    with bench.computing() as device:
        model = undecided(bench.paper.spec("euclidean"), faces, device)
        more = [Mode("TF32", tf32=True), *PROBES.values()] if device.type == "cuda" else [PROBES["bfloat16"]]
        modes = [Mode("float32"), *more]
        # The dearest size last. All four attacks take three times as long as the two along lines, so only once.
        sizes = (2, 4) if bench.tiny else (64, 128, 256, 512)
        for size in sizes:
            names = list(PAPER_ATTACKS) if size == sizes[0] else ["fgs-line", "ffa-line"]
            # Twice as many images as rows, so that finished attempts give way to others; mirrored ones are others, too.
            images = np.concatenate([faces, faces[:, :, ::-1]])
            images = np.tile(images, (-(-2 * size // len(images)), 1, 1, 1))[: 2 * size]
            try:
                rows, rates = full(model, images, size, modes, bench.paper, 1, device, names)
            except (torch.OutOfMemoryError, UserError) as error:
                bench.note(f"Batch {size}: {str(error).splitlines()[0]}")
                continue
            for row in rows:
                bench.row(f"Attacks, batch {size}, {len(images)} images", FULL_HEADINGS, row)
            for mode, rate in rates.items():
                bench.speed("attacks", mode, size, rate)


# PASS


def similarity(bench: Bench) -> None:
    """Tell pairs/s of the torch engine, and how far it lies from the CPU engine."""
    from similarity import ENGINE_HEADINGS, put_together, torch_engine

    sys.path.insert(0, str(ROOT / "tests" / "similarity"))
    from pass_pairs import pairs

    kinds = pairs(1 if bench.tiny else 2)
    originals, perturbed, index = put_together(kinds)
    if bench.tiny:
        perturbed, index = perturbed[::8], index[::8]
    with bench.computing() as device:
        sizes = [4] if bench.tiny else [1024, 256, 512]
        for row, speed in torch_engine(originals, perturbed, index, sizes, device, 1 if bench.tiny else 3):
            bench.row("The torch engine of PASS, and its differences from the CPU engine", ENGINE_HEADINGS, row)
            bench.speed("pass", "torch", int(row[0]), speed)


# The paper in small


def paper(bench: Bench) -> None:
    """Make a small run of the paper, stage by stage, as the jobs of the workflow do."""
    from small_paper import run

    run(bench)


# Hours


def hours(bench: Bench) -> None:
    """Tell how long one GPU takes for the paper at the speeds that the other parts found; arithmetic alone."""
    from gpu import found_in

    files = sorted(bench.folder.glob("*.jsonl"))
    found = [each["speed"] for path in files for each in found_in(path) if "speed" in each]
    if not found:
        raise UserError("no part has found a speed: no hours")
    training_at, attacks_at = _at_smallest(found, "training"), _at_smallest(found, "attacks")
    pairs = max((each["rate"] for each in found if each["what"] == "pass"), default=None)
    for names in (["paper"], ["paper", "paper-fast"]):
        presets = [ROOT / f"workflow/presets/{name}.yaml" for name in names]
        estimate = Estimate.of(Settings.of(read_config(ROOT, presets)))
        for trained, rate in training_at.items():
            for attacked, other in attacks_at.items():
                row = [trained, attacked, *hours_row(estimate, rate, other, pairs)]
                bench.row(f"Hours, preset {names[-1]}", ["training", "attacks", *HOURS_HEADINGS], row)
    bench.note(
        "By arithmetic, as `faceflip plan` counts; predictions, scans and transfers at the speed of the attacks."
    )


HOURS_HEADINGS = ["training, h", "attacks, h", "scans, h", "predictions and transfers, h", "PASS, h", "in all, h"]


def _at_smallest(found: list[dict[str, Any]], what: str) -> dict[str, float]:
    """Return the speeds by mode at the smallest batch, at which every mode was measured."""
    of = [each for each in found if each["what"] == what]
    batch = min((each["batch"] for each in of), default=0)
    return {each["mode"]: each["rate"] for each in of if each["batch"] == batch}


def hours_row(estimate: Estimate, training: float, attacking: float, pairs: float | None) -> list[str]:
    """Return hours by stage; rates are multiply-adds a second, and pairs a second of PASS (None: not counted)."""
    work = estimate.multiply_adds()
    trained = sum(count for stage, count in work.items() if stage.startswith("training of "))
    others = work["predictions"] + work["transfer"]
    attempts = sum(estimate.plan.attempts_of(each) for each in estimate.plan.experiments)
    parts = [trained / training, work["attacks"] / attacking, work["scans"] / attacking, others / attacking]
    parts += [attempts / pairs] if pairs else []
    shown = [f"{seconds / 3600:,.2f}" for seconds in parts]
    return [*shown, *([] if pairs else [""]), f"{sum(parts) / 3600:,.2f}"]


PARTS = {each.__name__: each for each in (machine, tests, training, attacks, similarity, paper, hours)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    try:
        PARTS[arguments.part](Bench(arguments.part, arguments.folder, arguments.device, arguments.tiny))
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
