"""All that is to be measured on a GPU, in ten minutes: tests, training, attacks, PASS, a small paper, hours of all.

    python benchmarks/gpu.py [--minutes 10] [--folder gpu-results] [--only training attacks] [--device cuda]
    python benchmarks/gpu.py --tiny      narrow networks and few images, to try it on a CPU: a minute or two

Each part (benchmarks/gpu_parts.py) is a process of its own with a limit of its own: one that fails, or runs out of
time, does not end the others, and what it had found by then is kept. The most valuable come first. After each part
FOLDER/gpu.json and FOLDER/gpu.md are written anew; docs/guides/gpu.md says how to read them.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scripts"))

from tabulate import tabulate  # noqa: E402

from faceflip.io.files import write_text  # noqa: E402

LAST_LINES = 15
"""Of what a part that failed had said."""
NEXT = 25
"""Seconds kept for the parts after each: the last one is arithmetic, and every process imports PyTorch."""


@dataclass(frozen=True)
class Part:
    """A part by its name, and the seconds that it may take where there are ten minutes."""

    name: str
    title: str
    limit: float


PARTS = (
    Part("machine", "The machine", 40),
    Part("tests", "Tests that need a GPU", 110),
    Part("training", "Training", 150),
    Part("attacks", "Attacks", 120),
    Part("similarity", "PASS", 70),
    Part("paper", "The paper in small", 95),
    Part("hours", "Hours of the paper", 30),
)
"""In the order of their value; the hours are arithmetic on what the others found."""


@dataclass
class Outcome:
    """What came of a part: how it ended, after how many seconds, its tables, notes, speeds, and its last words."""

    title: str
    state: str = "not begun"
    seconds: float = 0.0
    tables: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    speeds: list[dict[str, Any]] = field(default_factory=list)
    said: str = ""


def found_in(path: Path) -> list[dict[str, Any]]:
    """Return what a part wrote, a line each; the last one may have been cut short when the part was ended."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def take_in(outcome: Outcome, found: Sequence[dict[str, Any]]) -> None:
    """Gather tables, notes and speeds."""
    for each in found:
        if "note" in each:
            outcome.notes.append(each["note"])
        elif "speed" in each:
            outcome.speeds.append(each["speed"])
        else:
            if not outcome.tables or outcome.tables[-1]["title"] != each["table"]:
                outcome.tables.append({"title": each["table"], "headings": each["headings"], "rows": []})
            outcome.tables[-1]["rows"].append(each["row"])


def carry_out(part: Part, command: Sequence[str], folder: Path, limit: float) -> Outcome:
    """Run a part, which writes to FOLDER/NAME.jsonl, for so many seconds at most."""
    outcome, log, begun = Outcome(part.title), folder / f"{part.name}.log", time.monotonic()
    with log.open("wb") as said:
        # A session of its own, so that what the part itself has started ends with it.
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = process.wait(limit)
            outcome.state = "done" if status == 0 else f"failed (exit status {status})"
        except subprocess.TimeoutExpired:
            outcome.state = f"out of time after {limit:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    outcome.seconds = round(time.monotonic() - begun, 1)
    take_in(outcome, found_in(folder / f"{part.name}.jsonl"))
    if outcome.state != "done":
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        outcome.said = "\n".join(lines[-LAST_LINES:])
    return outcome


def as_markdown(outcomes: dict[str, Outcome]) -> str:
    """Return a section for each part."""
    sections = []
    for outcome in outcomes.values():
        section = [f"## {outcome.title}", f"{outcome.state[0].upper()}{outcome.state[1:]}, {outcome.seconds:.0f} s."]
        for table in outcome.tables:
            rows = tabulate(table["rows"], table["headings"], tablefmt="github", disable_numparse=True)
            section += [f"{table['title']}:", rows]
        section += outcome.notes
        section += [f"```\n{outcome.said}\n```"] if outcome.said else []
        sections += section
    return "\n\n".join(sections) + "\n"


def run(
    parts: Sequence[Part], command_of: Callable[[Part], Sequence[str]], folder: Path, minutes: float
) -> dict[str, Outcome]:
    """Carry out the parts one by one within the minutes, and write what is known after each."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in (file for part in parts for file in folder.glob(f"{part.name}.*")):
        old.unlink()
    outcomes = {part.name: Outcome(part.title) for part in parts}
    end = time.monotonic() + 60 * minutes

    def write() -> None:
        content = {"minutes": minutes, "parts": {name: asdict(each) for name, each in outcomes.items()}}
        write_text(folder / "gpu.json", json.dumps(content, indent=2) + "\n")
        write_text(folder / "gpu.md", as_markdown(outcomes))

    write()
    for number, part in enumerate(parts):
        kept = NEXT * minutes / 10 if number < len(parts) - 1 else 0
        limit = min(part.limit * minutes / 10, end - time.monotonic() - kept)
        if limit <= 0:
            continue
        print(f"{part.title}, {limit:.0f} s at most", flush=True)
        outcomes[part.name] = carry_out(part, command_of(part), folder, limit)
        print(f"  {outcomes[part.name].state}, {outcomes[part.name].seconds:.0f} s", flush=True)
        write()
    return outcomes


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 where all parts came to their end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="for everything; limits of parts grow with them")
    parser.add_argument("--folder", type=Path, default=Path("gpu-results"), help="where results are written")
    parser.add_argument("--only", nargs="+", choices=[part.name for part in PARTS], help="some of the parts")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--tiny", action="store_true", help="narrow networks, few images")
    options = parser.parse_args(arguments)
    work = options.folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)

    def command_of(part: Part) -> list[str]:
        command = [sys.executable, str(HERE / "gpu_parts.py"), part.name, "--folder", str(options.folder.absolute())]
        return [*command, "--device", options.device, *(["--tiny"] if options.tiny else [])]

    parts = [part for part in PARTS if not options.only or part.name in options.only]
    outcomes = run(parts, command_of, options.folder, options.minutes)
    shutil.rmtree(work, ignore_errors=True)
    print(f"\n{(options.folder / 'gpu.md').read_text(encoding='utf-8')}")
    print(f"Written: {options.folder / 'gpu.md'}, {options.folder / 'gpu.json'}")
    return int(any(outcome.state != "done" for outcome in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
