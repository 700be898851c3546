"""The descent beside adv-lib's DDN, FMN and ALMA: how small their flips are, and how long an image takes.

    python benchmarks/minimal.py [--run results] [--networks euclidean softmax moon] [--attributes Male Smiling ...]
                                 [--images 64] [--rounds 1] [--markdown FILE]

The networks are those of a finished default run (`--run`), the images test images that no network was trained on. The
libraries' attacks run as their users run them, at 100 steps and in batches of 32, on the two logits [-v, v] of one
attribute; what they return is rounded, judged by the network's decision, and then also taken as a direction for the
line search: the smaller flip counts. Our own takes part as `attack` runs it, with its margin on top. An image that is
not flipped counts as infinitely far in the medians. One core; contenders take turns within each round, and ratios are
formed within a round.
"""

import argparse
import os
import sys
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests" / "attacks")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from attacks import CPU, Timed, dataset, network, ratios, spread, take_turns  # noqa: E402
from machine import described  # noqa: E402
from tabulate import tabulate  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from faceflip.attacks import AttackOptions, attack, plain  # noqa: E402
from faceflip.attacks.conventions import without_charts  # noqa: E402
from faceflip.runtime.device import prepare  # noqa: E402

BATCH, STEPS = 32, 100
OURS = "faceflip ffa-descent"
THEIRS = {
    "adv-lib DDN": ("ddn", {"steps": STEPS}),
    "adv-lib FMN": ("fmn", {"norm": 2, "steps": STEPS}),
    "adv-lib ALMA": ("alma", {"distance": "l2", "num_steps": STEPS}),
}


class Classes(nn.Module):
    """The logits [-v, v] of an attribute's decision value on images on 0-1, and for ALMA a third and fourth.

    These lie below both, by as much as they differ at the unperturbed images, as in `faceflip.attacks.third_class`.
    """

    def __init__(self, value: nn.Module, images: Tensor, more: bool) -> None:
        super().__init__()
        self.value, self.more = value, more
        with torch.no_grad():
            self.gap = 2 * value(images * 255).abs()[:, None]

    def forward(self, images: Tensor) -> Tensor:
        value = self.value(images * 255)
        logits = torch.stack([-value, value], dim=1)
        if not self.more:
            return logits
        third = logits.amin(dim=1, keepdim=True) - self.gap
        return torch.cat([logits, third, third], dim=1)


class Value(nn.Module):
    """The decision value of one attribute, on images on 0-255."""

    def __init__(self, scores: nn.Module, softmax: bool, column: int) -> None:
        super().__init__()
        self.scores, self.softmax, self.column = scores, softmax, column

    def forward(self, images: Tensor) -> Tensor:
        scores = self.scores(images)
        return scores[:, 1] - scores[:, 0] if self.softmax else scores[:, self.column]


def theirs(value: nn.Module, images: np.ndarray, name: str, options: dict) -> Tensor:
    """Return what an attack of adv-lib returns, N x 3 x H x W on 0-255."""
    with without_charts():
        import adv_lib.attacks

    # FMN projects in place, which only images that lie in memory as they are numbered come through.
    batch = (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255).contiguous()
    found = []
    for part in batch.split(BATCH):
        with torch.no_grad():
            decided = (value(part * 255) > 0).long()
        classes = Classes(value, part, more=name == "alma")
        found.append(getattr(adv_lib.attacks, name)(classes, part, decided, **options).detach())
    return torch.cat(found) * 255


def sizes(value: nn.Module, images: np.ndarray, found: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the L2 of rounded images that are flipped, and of the smaller of these and those of a line search."""
    rounded, smaller = [], []
    for image, image_found in zip(images, found, strict=True):
        column = nn.Module()
        column.forward = lambda batch: value(batch)[:, None]
        pixels = image_found.permute(1, 2, 0).numpy().clip(0, 255)
        method = plain.Method(column, image.ravel(), image.shape, 0, "euclidean", 0, AttackOptions(), "boundary")
        method.gradient(method.image)
        whole = np.rint(pixels).ravel()
        flipped = (whole != method.image).any() and method.flips(method.judge(whole))
        rounded.append(np.linalg.norm(whole - method.image) if flipped else np.inf)
        way = (pixels.ravel() - method.image).astype(np.float32)
        along = method.on_ray(way / np.abs(way).max(), 1) if way.any() else None
        line = np.linalg.norm(along.perturbation.astype(float)) if along and along.flipped else np.inf
        smaller.append(min(rounded[-1], line))
    return np.array(rounded), np.array(smaller)


def ours(scores: nn.Module, images: np.ndarray, column: int, objective: str) -> np.ndarray:
    """Return the L2 of our flips."""
    result = attack(scores, images, "ffa-descent", column, objective, batch_size=BATCH)
    found = np.linalg.norm(result.perturbation.reshape(len(images), -1).astype(float), axis=1)
    return np.where(result.flipped, found, np.inf)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=ROOT / "results", help="results of a finished default run")
    parser.add_argument("--networks", nargs="+", default=["euclidean", "softmax", "moon"])
    parser.add_argument("--attributes", nargs="+", default=["Black_Hair", "Male", "Smiling"])
    parser.add_argument("--images", type=int, default=64, help="test images of each network")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--markdown", type=Path, help="also write the tables there")
    arguments = parser.parse_args()
    prepare("cpu", threads=1)
    faces = dataset(arguments.run)
    images = np.array(faces.images[np.sort(faces.rows("test")[: arguments.images])])

    rows = []
    every: dict[str, list[np.ndarray]] = {}
    for name in arguments.networks:
        for attribute in arguments.attributes:
            print(f"{name} {attribute}", file=sys.stderr, flush=True)
            column = faces.attributes.index(attribute) if name == "moon" else 0
            objective = "softmax" if name == "softmax" else "euclidean"
            scores = network(arguments.run, name, attribute)
            value = Value(scores, objective == "softmax", column)
            contenders = {OURS: lambda *, of=(scores, images, column, objective): {"l2": ours(*of)}}
            contenders |= {
                title: lambda *, of=(value, images, *settings): {"found": theirs(*of)}
                for title, settings in THEIRS.items()
            }
            timed = take_turns(contenders, arguments.rounds)
            rows += _rows(f"{name} {attribute}", timed, value, images, every)
    pooled = {title: np.concatenate(parts) for title, parts in every.items()}
    best = min(np.median(pooled[title]) for title in THEIRS)
    total = [
        [title, f"{np.median(found):.2f}", f"{np.median(found) / best:.3f}", f"{np.isfinite(found).mean():.1%}"]
        for title, found in pooled.items()
    ]
    headings = ["network", "attack", "flipped, rounded", "median L2, rounded", "flipped", "median L2", "ms / image"]
    text = "\n\n".join(
        [
            f"{len(images)} test images, batch {BATCH}, one thread, {described(CPU)}; {arguments.rounds} rounds.",
            tabulate(rows, [*headings, "times as long as ours"], "github"),
            "All networks and attributes together:",
            tabulate(total, ["attack", "median L2", "of the best library's", "flipped"], "github"),
        ]
    )
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text + "\n", encoding="utf-8")


def _rows(
    about: str, timed: dict[str, Timed], value: nn.Module, images: np.ndarray, every: dict[str, list[np.ndarray]]
) -> list[list[str]]:
    """Return the rows of a network, and add its sizes to those of all."""
    rows = []
    for title, each in timed.items():
        mine = title == OURS
        rounded, found = (each.outcome["l2"],) * 2 if mine else sizes(value, images, each.outcome["found"])
        every.setdefault(title, []).append(found)
        rows.append(
            [
                about,
                title,
                f"{np.isfinite(rounded).mean():.0%}",
                f"{np.median(rounded):.1f}",
                f"{np.isfinite(found).mean():.0%}",
                f"{np.median(found):.1f}",
                spread([1000 * seconds / len(images) for seconds in each.seconds], 1),
                "" if mine else spread(ratios(each, timed[OURS])),
            ]
        )
    return rows


if __name__ == "__main__":
    main()
