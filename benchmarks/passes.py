"""Passes of libraries' attacks, counted on networks of a finished run, beside those that `faceflip plan` expects.

    python benchmarks/passes.py [--run results] [--networks euclidean moon] [--attributes Smiling Male] [--images 8]
                                [--only ddn DeepFool] [--line] [--markdown FILE]

The table of `faceflip.catalogue.LIBRARY_ATTACKS` is filled in from what this prints: means of an attempt over all
images, attributes and networks, converged. `--line` also tells what a line search adds. It counts and does not time,
so other work on the machine does not matter.
"""

import argparse
import logging
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests" / "attacks")]

import numpy as np  # noqa: E402
from attacks import NETWORKS, dataset, network  # noqa: E402
from known_attacks import CASES  # noqa: E402
from tabulate import tabulate  # noqa: E402

from faceflip.attacks import AttackResult, attack  # noqa: E402
from faceflip.attacks.libraries import attack_of_file  # noqa: E402
from faceflip.errors import UserError  # noqa: E402

HEADINGS = ["attack", "options", "flipped", "gradients", "planned", "forwards", "planned", "of a line search"]


def counted(arguments: argparse.Namespace, file: str, options: dict, then: str | None) -> list[AttackResult]:
    """Return the results of an attack on each network."""
    faces = dataset(arguments.run)
    images = np.array(faces.images[np.sort(faces.rows("test")[: arguments.images])])
    results = []
    for name in arguments.networks:
        for attribute in arguments.attributes:
            model = network(arguments.run, name, attribute)
            column = model.spec.attributes.index(attribute)
            common = {"objective": model.spec.loss, "options": options, "then": then, "batch_size": len(images)}
            results.append(attack(model, images, file, column, **common))
    return results


def mean(results: list[AttackResult], field: str) -> float:
    return float(np.mean([getattr(each, field).mean() for each in results]))


def row_of(arguments: argparse.Namespace, file: str, options: dict) -> list:
    expected, found = attack_of_file(file, options, None), counted(arguments, file, options, None)
    forwards = mean(found, "forward_passes")
    added = ""
    if arguments.line:
        added = f"{mean(counted(arguments, file, options, 'line'), 'forward_passes') - forwards:.1f}"
    given = ", ".join(f"{name} {value}" for name, value in options.items())
    gradients = f"{mean(found, 'gradient_passes'):.1f}"
    flipped = f"{mean(found, 'flipped'):.0%}"
    return [file, given, flipped, gradients, expected.gradients, f"{forwards:.1f}", expected.forwards, added]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--run", type=Path, default=Path("results"), help="results of a finished default run")
    parser.add_argument("--networks", nargs="+", default=["euclidean", "moon"], choices=NETWORKS)
    parser.add_argument("--attributes", nargs="+", default=["Smiling", "Male"])
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--only", nargs="+", help="attacks whose references contain one of these")
    parser.add_argument("--line", action="store_true", help="also count what `then: line` adds")
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    rows = []
    for file, options in CASES:
        if arguments.only and not any(part in file for part in arguments.only):
            continue
        print(file, file=sys.stderr, flush=True)
        try:
            rows.append(row_of(arguments, file, options))
        except UserError as error:  # a library that is not installed, an attack that does not work on these images
            print(error, file=sys.stderr, flush=True)
    table = tabulate(rows, HEADINGS, tablefmt="github", disable_numparse=True)
    print(table)
    if arguments.markdown:
        arguments.markdown.write_text(table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
