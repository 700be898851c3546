"""Speed of the attack engine: how full its passes are, and how it stands beside plain batching and other libraries.

    python benchmarks/attacks.py [--images 2000] [--rounds 5] [--run results] [--markdown FILE] [--json FILE]

One core, the embedded network, the same images for everybody. All contenders of a table take turns within each round,
and so do the bare passes that efficiency is measured by; figures are medians over the rounds, with the fastest and
slowest round beside them. Ratios are formed within a round, never between runs.

The networks are those of a finished default run (`--run`, the folder of its results: dataset/celeba.h5,
networks/{euclidean,softmax}/<attribute>/converged.pt, networks/moon/converged.pt), or else are trained first on drawn
faces, about three minutes, and kept in `--prepared` for the next time.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests" / "attacks")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from attack_reference import Setting, lockstep, one_by_one  # noqa: E402
from tabulate import tabulate  # noqa: E402
from torch import nn  # noqa: E402

from faceflip import celeba  # noqa: E402
from faceflip.attacks import ATTACKS, attack  # noqa: E402
from faceflip.dataset import Dataset, open_dataset  # noqa: E402
from faceflip.networks.checkpoint import load_checkpoint  # noqa: E402

KINDS = ("euclidean", "softmax", "moon")
BARE_PASSES = 32
"""Passes that a bare time is the mean of."""


# Networks and images


def prepare(folder: Path, attribute: str) -> None:
    """Draw faces and train one network of each kind on them, as the embedded default does."""
    from faceflip.dataset import pack_dataset
    from faceflip.networks import NetworkSpec
    from faceflip.synthetic import write_celeba
    from faceflip.training.options import TrainingOptions
    from faceflip.training.run import train_and_save

    with tempfile.TemporaryDirectory() as drawn:
        write_celeba(Path(drawn) / "celeba", train=1600, validation=300, test=10, seed=2018)
        pack_dataset(Path(drawn) / "celeba", folder / "dataset" / "celeba.h5", (56, 68))
    options = TrainingOptions(batch_size=32, learning_rate=5e-4, max_epochs=6)
    for kind in KINDS:
        decided = celeba.ATTRIBUTES if kind == "moon" else (attribute,)
        spec = NetworkSpec(kind, decided, (56, 68), width=0.125, input_scale=1 / 64, initialisation="msra")
        converged = checkpoint(folder, kind, attribute)
        files = [converged.with_name("epoch2.pt"), converged, converged.with_name("history.csv")]
        train_and_save(dataset(folder), spec, options, 2018, torch.device("cpu"), *files)


def dataset(folder: Path) -> Dataset:
    return open_dataset(folder / "dataset" / "celeba.h5")


def checkpoint(folder: Path, kind: str, attribute: str) -> Path:
    return folder / "networks" / kind / ("" if kind == "moon" else attribute) / "converged.pt"


def network(folder: Path, kind: str, attribute: str) -> nn.Module:
    loaded, _ = load_checkpoint(checkpoint(folder, kind, attribute))
    return loaded.eval().requires_grad_(False)


# Measuring


@dataclass
class Timed:
    """Wall times of a contender, one a round, and what it came to (the same every time)."""

    seconds: list[float]
    outcome: dict


def take_turns(contenders: dict[str, Callable[[], dict]], rounds: int) -> dict[str, Timed]:
    """Run all contenders once a round, after one run that does not count."""
    timed = {name: Timed([], run()) for name, run in contenders.items()}
    for number in range(rounds):
        # Every round starts elsewhere, so that nobody always comes after the same neighbour.
        names = list(contenders)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            start = time.perf_counter()
            contenders[name]()
            timed[name].seconds.append(time.perf_counter() - start)
        print(f"  round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return timed


def spread(values: list[float], digits: int = 2) -> str:
    """Return the median and, in brackets, the extremes."""
    return f"{np.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def ratios(slower: Timed, faster: Timed) -> list[float]:
    return [one / other for one, other in zip(slower.seconds, faster.seconds, strict=True)]


def bare(model: nn.Module, batch: torch.Tensor, backward: bool, repeats: int) -> Callable[[], dict]:
    """Return a contender that makes nothing but passes at full batch."""

    def run() -> dict:
        for _ in range(repeats):
            if not backward:
                with torch.inference_mode():
                    model(batch)
                continue
            leaf = batch.detach().requires_grad_()
            scores = model(leaf)
            torch.autograd.grad(scores, leaf, torch.ones_like(scores))
        return {}

    return run


def engine_contender(model: nn.Module, images: np.ndarray, kind: str, name: str, **options) -> Callable[[], dict]:
    def run() -> dict:
        result = attack(model, images, name, objective=kind, **options)
        return {
            "flipped": float(result.flipped.mean()),
            "gradients": int(result.gradient_passes.sum()),
            "forwards": int(result.forward_passes.sum()),
            "most forwards": int(result.forward_passes.max()),
            "longest": int(result.steps[result.flipped].max(initial=0)),
        }

    return run


# Table 1: how full the passes are


def efficiency(model: nn.Module, images: np.ndarray, kind: str, arguments: argparse.Namespace) -> list[list]:
    """Compare the time of each attack with that of its passes alone, with a loop over images, and with lockstep."""
    rows, batch = [], torch.from_numpy(images[: arguments.batch]).permute(0, 3, 1, 2).float()
    some = images[: arguments.loop_images]
    options = {
        "attribute": model.spec.attributes.index(arguments.attribute),
        "max_steps": arguments.max_steps,
    }
    settings = [Setting(kind, margin=1e-5, **options) for _ in some]
    for name in ATTACKS:
        if kind == "moon" and name.startswith("fgs"):
            continue  # FGS cannot pick one of MOON's attributes.
        print(f"{kind}, {name}", file=sys.stderr, flush=True)
        timed = take_turns(
            {
                "engine": engine_contender(model, images, kind, name, batch_size=arguments.batch, **options),
                "forward": bare(model, batch, False, BARE_PASSES),
                "gradient": bare(model, batch, True, BARE_PASSES),
                "some": engine_contender(model, some, kind, name, batch_size=arguments.batch, **options),
                "loop": lambda name=name: {"n": len(one_by_one(model, some, name, settings))},
                "lockstep": lambda name=name: {"n": len(lockstep(model, some, name, settings, arguments.batch))},
            },
            arguments.rounds,
        )
        passes = timed["engine"].outcome
        shares = [
            (passes["forwards"] * forward + passes["gradients"] * gradient) / (BARE_PASSES * arguments.batch) / engine
            for engine, forward, gradient in zip(
                timed["engine"].seconds, timed["forward"].seconds, timed["gradient"].seconds, strict=True
            )
        ]
        count = len(images)
        rows.append(
            [
                f"{kind} {name}",
                f"{passes['flipped']:.0%}",
                f"{passes['gradients'] / count:.2f}",
                f"{passes['forwards'] / count:.2f} (at most {passes['most forwards']})",
                spread([1000 * seconds / count for seconds in timed["engine"].seconds]),
                spread([100 * share for share in shares], 0) + " %",
                spread(ratios(timed["loop"], timed["some"]), 1),
                spread(ratios(timed["lockstep"], timed["some"]), 1),
            ]
        )
    return rows


EFFICIENCY_HEADINGS = [
    "attack",
    "flipped",
    "gradients / image",
    "forward passes / image",
    "ms / image",
    "efficiency",
    "times a loop's speed",
    "times lockstep's speed",
]


# Tables 2 and 3: other libraries


class Unit(nn.Module):
    """The network on pixels of 0-1, as torchattacks wants them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.model(images * 255)


class Peers:
    """FGS by other libraries, set up as their documentation shows, in batches of one size."""

    def __init__(self, model: nn.Module, images: np.ndarray, batch: int) -> None:
        from art.estimators.classification import PyTorchClassifier

        self.model, self.batch = model, batch
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2).float()
        with torch.inference_mode():
            scores = torch.cat([model(part) for part in self.images.split(batch)])
        self.labels = scores.argmax(dim=1)
        self.classifier = PyTorchClassifier(
            model, nn.CrossEntropyLoss(), tuple(self.images.shape[1:]), 2, clip_values=(0, 255), device_type="cpu"
        )

    def judged(self, images: torch.Tensor) -> dict:
        """Return the share of images whose rounded pixels are classified otherwise than at the start."""
        with torch.inference_mode():
            scores = torch.cat([self.model(part) for part in images.round().split(self.batch)])
        return {"flipped": float((scores.argmax(dim=1) != self.labels).float().mean())}

    def minimal(self, largest: int) -> torch.Tensor:
        from art.attacks.evasion import FastGradientMethod

        found = FastGradientMethod(
            self.classifier, eps=float(largest), eps_step=1.0, minimal=True, batch_size=self.batch
        ).generate(self.images.numpy(), self.labels.numpy())
        return torch.from_numpy(found)

    def art(self, steps: int) -> torch.Tensor:
        from art.attacks.evasion import BasicIterativeMethod

        found = BasicIterativeMethod(
            self.classifier, eps=255.0, eps_step=1.0, max_iter=steps, batch_size=self.batch, verbose=False
        ).generate(self.images.numpy(), self.labels.numpy())
        return torch.from_numpy(found)

    def foolbox(self, steps: int) -> torch.Tensor:
        import foolbox

        model = foolbox.PyTorchModel(self.model, bounds=(0, 255), device="cpu")
        kind = foolbox.attacks.LinfBasicIterativeAttack(abs_stepsize=1, steps=steps, random_start=False)
        parts = zip(self.images.split(self.batch), self.labels.split(self.batch), strict=True)
        return torch.cat([kind(model, images, labels, epsilons=255.0)[1] for images, labels in parts])

    def torchattacks(self, steps: int) -> torch.Tensor:
        import torchattacks

        kind = torchattacks.PGD(Unit(self.model).eval(), eps=1.0, alpha=1 / 255, steps=steps, random_start=False)
        parts = zip(self.images.split(self.batch), self.labels.split(self.batch), strict=True)
        return torch.cat([kind(images / 255, labels) for images, labels in parts]) * 255


def quiet(run: Callable[[], torch.Tensor], peers: Peers) -> Callable[[], dict]:
    """Return a contender whose verdicts are taken once, outside the measured time."""
    seen: dict = {}

    def contender() -> dict:
        images = run()
        if not seen:
            seen.update(peers.judged(images))
        return seen

    return contender


def line_search(model: nn.Module, images: np.ndarray, arguments: argparse.Namespace) -> list[list]:
    """Compare the line search along FGS with ART's minimal perturbation."""
    rows, peers = [], Peers(model, images, arguments.batch)
    for largest in (31, 255):
        print(f"line search up to {largest}", file=sys.stderr, flush=True)
        options = {"batch_size": arguments.batch, "max_epsilon": largest}
        timed = take_turns(
            {
                "faceflip fgs-line": engine_contender(model, images, "softmax", "fgs-line", **options),
                "faceflip fgs-line, search: scan": engine_contender(
                    model, images, "softmax", "fgs-line", search="scan", **options
                ),
                "ART FastGradientMethod, minimal": quiet(lambda largest=largest: peers.minimal(largest), peers),
            },
            arguments.rounds,
        )
        rows += beside(timed, f"up to {largest}", "faceflip fgs-line", len(images))
    return rows


def iterative(model: nn.Module, images: np.ndarray, arguments: argparse.Namespace) -> list[list]:
    """Compare iterative FGS with three libraries', at the longest run needed and at the default cap."""
    rows, peers = [], Peers(model, images, arguments.batch)
    ours = engine_contender(model, images, "softmax", "fgs-iterative", batch_size=arguments.batch)
    longest = max(1, ours()["longest"])
    for steps in (longest, 100):
        print(f"iterative, {steps} steps", file=sys.stderr, flush=True)
        timed = take_turns(
            {
                "faceflip fgs-iterative": engine_contender(
                    model, images, "softmax", "fgs-iterative", batch_size=arguments.batch, max_steps=steps
                ),
                "ART BasicIterativeMethod": quiet(lambda steps=steps: peers.art(steps), peers),
                "Foolbox LinfBasicIterativeAttack": quiet(lambda steps=steps: peers.foolbox(steps), peers),
                "torchattacks PGD, no random start": quiet(lambda steps=steps: peers.torchattacks(steps), peers),
            },
            arguments.rounds if steps == longest else max(1, arguments.slow_rounds),
        )
        note = "the longest run needed" if steps == longest else "the default cap"
        rows += beside(timed, f"{steps} steps ({note})", "faceflip fgs-iterative", len(images))
    return rows


def beside(timed: dict[str, Timed], case: str, ours: str, count: int) -> list[list]:
    return [
        [
            case,
            name,
            f"{run.outcome['flipped']:.1%}",
            spread([1000 * seconds / count for seconds in run.seconds]),
            "" if name == ours else spread(ratios(run, timed[ours]), 1),
        ]
        for name, run in timed.items()
    ]


PEER_HEADINGS = ["", "", "flipped", "ms / image", "times as long as ours"]

FINE_PRINT = {
    "efficiency": """\
Efficiency is (forward passes x bare time of one + gradients x bare time of one) / time taken; the bare times are
those of full batches with nothing around them, in the same round. Passes are counted as the plain algorithm needs
them: padding, probes made ahead, and the passes that measure the network's rounding count as loss. The loop (batch
of one) and the lockstep batch (images start together and wait for the slowest; same batch size) run the plain
algorithm of the tests, NumPy around the same network, on the first {loop_images} images; their ratio is to the
engine on those images. Steps of the iterative attacks are capped at {max_steps}.""",
    "line": """\
All take one gradient an image and the same direction. The line search doubles and bisects; ART tries every whole
epsilon, for the whole batch, until the last image of the batch has flipped, so it also flips images that cross the
decision and come back between two probes of the line search. `search: scan` tries every whole epsilon as well, and
ends image by image. The network's decision on the rounded image is ART's verdict here; ours asks for the numerical
margin on top.""",
    "iterative": """\
All take steps of one pixel value along the sign of the same gradient, from the same start, without a bound other
than 0-255. We judge each image after each step and stop at the first flip. The others take all steps with every
image and are judged at the end, on rounded pixels: an image that had flipped on the way and came back counts as not
flipped, and the perturbation is larger than it need be. None of them tells the step of the flip.""",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, default=2000, help="images of the first table")
    parser.add_argument("--peer-images", type=int, default=256, help="images of the comparisons with other libraries")
    parser.add_argument("--loop-images", type=int, default=128, help="images of the naive and lockstep columns")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slow-rounds", type=int, default=3, help="rounds where the others take 100 steps")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--max-steps", type=int, default=40, help="cap of the iterative attacks in the first table")
    parser.add_argument("--attribute", default="Smiling")
    parser.add_argument("--run", type=Path, help="results of a finished default run to take networks and images from")
    parser.add_argument("--prepared", type=Path, default=Path(tempfile.gettempdir()) / "faceflip-benchmark")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS, help="networks of the first table")
    parser.add_argument("--tables", nargs="+", default=["efficiency", "line", "iterative"], choices=list(FINE_PRINT))
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)

    folder = arguments.run or arguments.prepared
    if not all(checkpoint(folder, kind, arguments.attribute).exists() for kind in KINDS):
        prepare(folder, arguments.attribute)
    data = dataset(folder)
    images = np.array(data.images[data.rows("train")[: arguments.images]])
    some = images[: arguments.peer_images]
    models = {kind: network(folder, kind, arguments.attribute) for kind in KINDS}

    tables: dict[str, tuple[list[str], list[list]]] = {}
    if "efficiency" in arguments.tables:
        rows = [row for kind in arguments.kinds for row in efficiency(models[kind], images, kind, arguments)]
        tables["efficiency"] = EFFICIENCY_HEADINGS, rows
    if "line" in arguments.tables:
        tables["line"] = PEER_HEADINGS, line_search(models["softmax"], some, arguments)
    if "iterative" in arguments.tables:
        tables["iterative"] = PEER_HEADINGS, iterative(models["softmax"], some, arguments)

    setting = (
        f"{len(images)} images of {images.shape[2]} x {images.shape[1]} ({len(some)} beside other libraries), "
        f"batch {arguments.batch}, one thread, {platform.machine()}, PyTorch {torch.__version__}; "
        f"median (fastest-slowest) of {arguments.rounds} rounds."
    )
    text = setting + "\n\n"
    for name, (headings, rows) in tables.items():
        text += tabulate(rows, headings, tablefmt="github", disable_numparse=True) + "\n\n"
        text += FINE_PRINT[name].format(loop_images=arguments.loop_images, max_steps=arguments.max_steps) + "\n\n"
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text)
    if arguments.json:
        arguments.json.write_text(json.dumps({"setting": setting, "tables": tables}, indent=2))


if __name__ == "__main__":
    main()
