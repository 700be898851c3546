"""Speed of the attack engine: how full its passes are, and how it stands beside plain batching and other libraries.

    python benchmarks/attacks.py [--images 2000] [--rounds 5] [--run results] [--markdown FILE] [--json FILE]
    python benchmarks/attacks.py --full [--batch-sizes 64 128 256 512] [--images 1000] [--compile]    for a GPU

One core, the embedded network, the same images for everybody. All contenders of a table take turns within each round,
and so do the bare passes that efficiency is measured by; figures are medians over the rounds, with the fastest and
slowest round beside them. Ratios are formed within a round, never between runs.

The networks are those of a finished default run (`--run`, the folder of its results: dataset/faces.h5 and
networks/*/*/converged.pt), or else are trained first on drawn faces, about three minutes, and kept in `--prepared` for
the next time.

With `--full` it is the paper's network and image size instead, on a GPU where there is one: a table for each batch
size, with and without TF32, and what the paper's attacks would take. Every table is printed, and written, as soon as
it is made.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests" / "attacks")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from attack_networks import balance  # noqa: E402
from lockstep import lockstep  # noqa: E402
from machine import described, forget_peak, peak, wait  # noqa: E402
from tabulate import tabulate  # noqa: E402
from torch import nn  # noqa: E402

from faceflip.attacks import AttackResult, attack, plain  # noqa: E402
from faceflip.attempt import CONVERGED  # noqa: E402
from faceflip.catalogue import PAPER_ATTACKS, find_direction  # noqa: E402
from faceflip.data.packed import Dataset, open_dataset  # noqa: E402
from faceflip.data.packing import pack_dataset  # noqa: E402
from faceflip.data.synthetic import write_celeba  # noqa: E402
from faceflip.errors import UserError  # noqa: E402
from faceflip.io import paths  # noqa: E402
from faceflip.networks.checkpoint import load_checkpoint  # noqa: E402
from faceflip.networks.inference import scores, to_input  # noqa: E402
from faceflip.networks.network import NetworkSpec, build  # noqa: E402
from faceflip.runtime.device import computing_on, prepare  # noqa: E402
from faceflip.runtime.progress import duration  # noqa: E402
from faceflip.workflow.estimate import Estimate  # noqa: E402
from faceflip.workflow.network_settings import epoch_name  # noqa: E402
from faceflip.workflow.settings import Settings, read_config  # noqa: E402

NETWORKS = ("euclidean", "softmax", "moon")
"""Of the embedded default, and of the paper's preset."""
CPU = torch.device("cpu")
BARE_PASSES = 32
"""Passes that a bare time is the mean of."""
FULL_BARE_PASSES = 4
"""The same of the paper's network."""


# Networks and images


def place(folder: Path, path: str) -> Path:
    """Return where a file of a run is, in the folder of its results."""
    return folder / Path(path).relative_to(paths.RESULTS)


def train(folder: Path, attribute: str) -> None:
    """Draw faces and train one member of each network on them, as the embedded default does."""
    from faceflip.stages.train import Member, TrainedFiles, train_and_save

    estimate = Estimate.of(Settings.of(read_config(ROOT)))
    size = estimate.settings.dataset.size
    with tempfile.TemporaryDirectory() as drawn:
        write_celeba(Path(drawn) / "celeba", **estimate.images, seed=2018)
        pack_dataset(Path(drawn) / "celeba", place(folder, paths.DATASET), size)
    for name in NETWORKS:
        planned = estimate.plan.networks[name]
        member, settings = planned.member_of(attribute), planned.settings
        spec = NetworkSpec(settings.loss, planned.attributes_of(member), size, settings.architecture)
        converged = checkpoint(folder, name, attribute)
        epochs = {epoch: converged.with_name(f"{epoch_name(epoch)}.pt") for epoch in settings.training.checkpoints}
        files = TrainedFiles(converged, epochs, converged.with_name("history.csv"))
        train_and_save(dataset(folder), name, [Member(member, spec, files)], settings.training, 2018, CPU)


def dataset(folder: Path) -> Dataset:
    return open_dataset(place(folder, paths.DATASET))


def checkpoint(folder: Path, name: str, attribute: str) -> Path:
    """Return the checkpoint of the member of a network that decides on an attribute."""
    member = "all" if name == "moon" else attribute
    return place(folder, paths.CHECKPOINT.of(network=name, member=member, checkpoint=CONVERGED))


def network(folder: Path, name: str, attribute: str) -> nn.Module:
    loaded, _ = load_checkpoint(checkpoint(folder, name, attribute))
    return loaded.eval().requires_grad_(False)


# Measuring


@dataclass
class Timed:
    """Wall times of a contender, one a round, and what it came to (the same every time)."""

    seconds: list[float]
    outcome: dict


def take_turns(contenders: dict[str, Callable[[], dict]], rounds: int, device: torch.device = CPU) -> dict[str, Timed]:
    """Run all contenders once a round, after one run that does not count."""
    timed = {name: Timed([], run()) for name, run in contenders.items()}
    for number in range(rounds):
        # Every round starts elsewhere, so that nobody always comes after the same neighbour.
        names = list(contenders)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            wait(device)
            start = time.perf_counter()
            contenders[name]()
            wait(device)
            timed[name].seconds.append(time.perf_counter() - start)
        print(f"  round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return timed


def spread(values: list[float], digits: int = 2) -> str:
    """Return the median and, in brackets, the extremes."""
    return f"{np.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def ratios(slower: Timed, faster: Timed) -> list[float]:
    return [one / other for one, other in zip(slower.seconds, faster.seconds, strict=True)]


def efficiencies(engine: Timed, forward: Timed, gradient: Timed, images: int) -> list[float]:
    """Return, for each round, the share of the engine's time that its passes take by themselves, in percent.

    `images` went through the network in the bare forward passes, and as many in the bare gradient passes.
    """
    passes = engine.outcome
    return [
        100 * (passes["forwards"] * one + passes["gradients"] * other) / images / seconds
        for seconds, one, other in zip(engine.seconds, forward.seconds, gradient.seconds, strict=True)
    ]


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


def engine_contender(model: nn.Module, images: np.ndarray, name: str, **options) -> Callable[[], dict]:
    def run() -> dict:
        result = attack(model, images, name, objective=model.spec.loss, **options)
        return {
            "flipped": float(result.flipped.mean()),
            "gradients": int(result.gradient_passes.sum()),
            "forwards": int(result.forward_passes.sum()),
            "most forwards": int(result.forward_passes.max()),
            "longest": int(result.steps[result.flipped].max(initial=0)),
        }

    return run


# Table 1: how full the passes are


def efficiency(model: nn.Module, images: np.ndarray, network: str, arguments: argparse.Namespace) -> list[list]:
    """Compare the time of each attack with that of its passes alone, with a loop over images, and with lockstep."""
    rows, batch = [], torch.from_numpy(images[: arguments.batch]).permute(0, 3, 1, 2).float()
    some, attributes = images[: arguments.loop_images], model.spec.attributes
    options = {"attribute": attributes.index(arguments.attribute), "max_steps": arguments.max_steps}
    for name, entry in PAPER_ATTACKS.items():
        if len(attributes) > 1 and find_direction(entry.direction).whole_loss:
            continue  # FGS cannot pick one of MOON's attributes.
        print(f"{network}, {name}", file=sys.stderr, flush=True)
        of_plain = {"attack": name, "objective": model.spec.loss, "margin": 1e-5, **options}
        timed = take_turns(
            {
                "engine": engine_contender(model, images, name, batch_size=arguments.batch, **options),
                "forward": bare(model, batch, False, BARE_PASSES),
                "gradient": bare(model, batch, True, BARE_PASSES),
                "some": engine_contender(model, some, name, batch_size=arguments.batch, **options),
                "loop": lambda of=of_plain: {"n": len([plain.attack(model, image, **of) for image in some])},
                "lockstep": lambda of=of_plain: {"n": len(lockstep(model, some, arguments.batch, **of))},
            },
            arguments.rounds,
        )
        passes = timed["engine"].outcome
        bare_times = timed["forward"], timed["gradient"]
        shares = efficiencies(timed["engine"], *bare_times, BARE_PASSES * arguments.batch)
        count = len(images)
        rows.append(
            [
                f"{network} {name}",
                f"{passes['flipped']:.0%}",
                f"{passes['gradients'] / count:.2f}",
                f"{passes['forwards'] / count:.2f} (at most {passes['most forwards']})",
                spread([1000 * seconds / count for seconds in timed["engine"].seconds]),
                spread(shares, 0) + " %",
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
                "faceflip fgs-line": engine_contender(model, images, "fgs-line", **options),
                "faceflip fgs-line, search: scan": engine_contender(
                    model, images, "fgs-line", search="scan", **options
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
    ours = engine_contender(model, images, "fgs-iterative", batch_size=arguments.batch)
    longest = max(1, ours()["longest"])
    for steps in (longest, 100):
        print(f"iterative, {steps} steps", file=sys.stderr, flush=True)
        timed = take_turns(
            {
                "faceflip fgs-iterative": engine_contender(
                    model, images, "fgs-iterative", batch_size=arguments.batch, max_steps=steps
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


# Table 4: the paper's network


@dataclass(frozen=True)
class Mode:
    """A way to compute the network, or to attack it by further options."""

    name: str
    tf32: bool = False
    compiled: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


PROBES = {each: Mode(f"probes in {each}", options={"search_precision": each}) for each in ("tf32", "bfloat16")}
"""Line searches that look in lower precision."""


def drawn_faces(count: int, threads: int = 1) -> np.ndarray:
    """Return faces of CelebA's size, uint8 (count, 218, 178, 3)."""
    with tempfile.TemporaryDirectory() as folder:
        write_celeba(Path(folder) / "celeba", train=count, validation=1, test=1, seed=2018, workers=threads)
        pack_dataset(Path(folder) / "celeba", Path(folder) / "faces.h5", threads=threads)
        return np.array(open_dataset(Path(folder) / "faces.h5").images[:count])


def undecided(spec: NetworkSpec, images: np.ndarray, device: torch.device) -> nn.Module:
    """Build a network of random weights whose scores of these images lie around zero, so that both decisions occur.

    Few lie beyond 1 or -1, from where FGS would take all its steps without arriving.
    """
    network = build(spec, seed=0).to(device).eval().requires_grad_(False)
    balance(network.layers[-1], torch.from_numpy(scores(network, images, batch_size=32)).to(device), spread=0.5)
    return network


def full_contender(
    model: nn.Module, images: np.ndarray, name: str, mode: Mode, device: torch.device, **options
) -> Callable[[], dict]:
    """Return a contender that tells passes, memory, and, image by image, what it came to: once, and not timed."""
    seen: dict = {}

    def summary(result: AttackResult) -> dict:
        return {
            "flipped": result.flipped,
            "perturbations": np.array([zlib.crc32(perturbation) for perturbation in result.perturbation]),
            "gradients": int(result.gradient_passes.sum()),
            "forwards": int(result.forward_passes.sum()),
            "memory": peak(device),
        }

    def run() -> dict:
        if not seen:
            forget_peak(device)
        result = attack(model, images, name, objective="euclidean", **options)
        if not seen:
            seen.update(summary(result))
        return seen

    return in_mode(run, mode)


def in_mode(run: Callable[[], dict], mode: Mode) -> Callable[[], dict]:
    def contender() -> dict:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = mode.tf32
        return run()

    return contender


def full(
    network: nn.Module,
    images: np.ndarray,
    size: int,
    modes: list[Mode],
    estimate: Estimate,
    rounds: int,
    device: torch.device,
    names: Sequence[str] = tuple(PAPER_ATTACKS),
) -> tuple[list[list], dict[str, float]]:
    """Compare attacks with their bare passes in each mode, and the other modes' results with the first's.

    Returns the rows, and the multiply-adds a second of all these attacks together in each mode.
    """
    if any(mode.compiled for mode in modes):
        torch.compiler.reset()  # else what was compiled for other batch sizes counts against a limit
    batch = to_input(images[:size], device)
    contenders = {}
    for mode in modes:
        model = torch.compile(network) if mode.compiled else network
        for name in names:
            options = {**estimate.plan.attacks[name].options, **mode.options, "batch_size": size}
            contenders[mode.name, name] = full_contender(model, images, name, mode, device, **options)
        for backward in (False, True):
            contenders[mode.name, backward] = in_mode(bare(model, batch, backward, FULL_BARE_PASSES), mode)
    timed = take_turns(contenders, rounds, device)

    rows, rates, cost = [], {}, estimate.costs["euclidean"]
    for mode in modes:
        bare_times = timed[mode.name, False], timed[mode.name, True]
        hours, done, seconds = [], 0, 0.0
        for name in names:
            run, first = timed[mode.name, name], timed[modes[0].name, name].outcome
            passes = run.outcome
            work = passes["gradients"] * cost.gradient + passes["forwards"] * cost.forward
            planned = sum(estimate.attack(each) for each in estimate.plan.experiments if each.attack == name)
            hours.append(planned / work * np.median(run.seconds))
            done, seconds = done + work, seconds + np.median(run.seconds)
            others = [int((passes[what] != first[what]).sum()) for what in ("flipped", "perturbations")]
            rows.append(
                [
                    mode.name,
                    name,
                    f"{passes['flipped'].mean():.0%}",
                    f"{passes['gradients'] / len(images):.1f}",
                    f"{passes['forwards'] / len(images):.1f}",
                    spread([len(images) / seconds for seconds in run.seconds]),
                    spread(efficiencies(run, *bare_times, FULL_BARE_PASSES * len(batch)), 0) + " %",
                    f"{2e-12 * work / np.median(run.seconds):.3g}",
                    "" if mode is modes[0] else "{} and {}".format(*others),
                    passes["memory"],
                    duration(hours[-1]),
                ]
            )
        rows.append([mode.name, "together", *[""] * (len(FULL_HEADINGS) - 3), duration(sum(hours))])
        rates[mode.name] = done / seconds
    return rows, rates


FULL_HEADINGS = [
    "",
    "attack",
    "flipped",
    "gradients / attempt",
    "forward passes / attempt",
    "attempts / s",
    "efficiency",
    "TFLOP/s",
    "other verdicts and perturbations",
    "memory",
    "the paper's attacks",
]

FINE_PRINT = {
    "efficiency": """\
Efficiency is (forward passes x bare time of one + gradients x bare time of one) / time taken; the bare times are
those of full batches with nothing around them, in the same round. Passes are counted as the plain algorithm needs
them: padding, probes made ahead, and the passes that measure the network's rounding count as loss. The loop (batch
of one) and the lockstep batch (images start together and wait for the slowest; same batch size) run the plain
method of faceflip.attacks.plain, NumPy around the same network, on the first {loop_images} images; their ratio is to
the engine on those images. Handing images over to the common pass takes a tenth of lockstep's time. Steps of the
iterative attacks are capped at {max_steps}.""",
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
    "full": """\
A Euclidean VGG-16 of width {width:g} with random weights, its last layer shifted and scaled so that the scores of these
drawn faces have mean 0 and spread 0.5: attempts a second and passes are those of this network, and a trained one, which
is flipped less easily, takes more of them. Efficiency is
(forward passes x bare time of one + gradients x bare time of one) / time taken, as in the first table. Other verdicts
and perturbations are numbers of images for which a mode ends otherwise than the first one. The last column is
arithmetic: the passes that `faceflip plan` counts for this attack's experiments of the paper's preset
({attempts:,} attempts each), on one device at this row's speed.""",
}


class Tables:
    """The tables as far as they are made, on screen and in files, so that what fails later loses nothing."""

    def __init__(self, setting: str, markdown: Path | None, as_json: Path | None) -> None:
        self.text, self.content = "", {"setting": setting, "tables": {}}
        self.markdown, self.json = markdown, as_json
        self.tell(setting)

    def add(self, name: str, headings: list[str], rows: list[list]) -> None:
        self.content["tables"][name] = headings, rows
        self.tell(tabulate(rows, headings, tablefmt="github", disable_numparse=True))

    def tell(self, text: str) -> None:
        print(text, end="\n\n", flush=True)
        self.text += f"{text}\n\n"
        if self.markdown:
            self.markdown.write_text(self.text)
        if self.json:
            self.json.write_text(json.dumps(self.content, indent=2))


def embedded_tables(arguments: argparse.Namespace) -> None:
    """Make the tables of the embedded networks."""
    prepare("cpu", threads=1)
    torch.manual_seed(0)
    folder = arguments.run or arguments.prepared
    if not all(checkpoint(folder, name, arguments.attribute).exists() for name in NETWORKS):
        train(folder, arguments.attribute)
    data = dataset(folder)
    images = np.array(data.images[data.rows("train")[: arguments.images or 2000]])
    some = images[: arguments.peer_images]
    models = {name: network(folder, name, arguments.attribute) for name in NETWORKS}
    tables = Tables(
        f"{len(images)} images of {images.shape[2]} x {images.shape[1]} ({len(some)} beside other libraries), "
        f"batch {arguments.batch}, {described(CPU)}; median (fastest-slowest) of {arguments.rounds} rounds.",
        arguments.markdown,
        arguments.json,
    )
    for name in arguments.tables:
        if name == "efficiency":
            rows = [row for each in arguments.networks for row in efficiency(models[each], images, each, arguments)]
        else:
            rows = {"line": line_search, "iterative": iterative}[name](models["softmax"], some, arguments)
        tables.add(name, EFFICIENCY_HEADINGS if name == "efficiency" else PEER_HEADINGS, rows)
        tables.tell(FINE_PRINT[name].format(loop_images=arguments.loop_images, max_steps=arguments.max_steps))


def full_tables(arguments: argparse.Namespace) -> None:
    """Make the tables of the paper's network, one for each batch size."""
    config = read_config(ROOT, [ROOT / "workflow/presets/paper.yaml"])
    config["architecture"] = {"width": arguments.width}
    estimate = Estimate.of(Settings.of(config))
    images = drawn_faces(arguments.images or 1000)
    with computing_on(arguments.device, arguments.threads) as device:
        model = undecided(estimate.spec("euclidean"), images, device)
        modes = [Mode("float32")]
        modes += [Mode("TF32", tf32=True), *PROBES.values()] if device.type == "cuda" else []
        modes += [Mode("float32, compiled", compiled=True)] if arguments.compile else []
        tables = Tables(
            f"{len(images)} images of {images.shape[2]} x {images.shape[1]}, {described(device, arguments.threads)}; "
            f"median (fastest-slowest) of {arguments.rounds} rounds.",
            arguments.markdown,
            arguments.json,
        )
        for size in arguments.batch_sizes:
            print(f"batch {size}", file=sys.stderr, flush=True)
            tables.tell(f"Batch {size}:")
            try:
                rows, _ = full(model, images, size, modes, estimate, arguments.rounds, device)
            except (torch.OutOfMemoryError, UserError) as error:
                tables.tell(str(error).splitlines()[0])
            else:
                tables.add(f"full, batch {size}", FULL_HEADINGS, rows)
        attempts = estimate.plan.attempts_of(estimate.plan.experiments[0])
        tables.tell(FINE_PRINT["full"].format(width=arguments.width, attempts=attempts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, help="images of the first table, or with --full; 2,000 and 1,000")
    parser.add_argument("--peer-images", type=int, default=256, help="images of the comparisons with other libraries")
    parser.add_argument("--loop-images", type=int, default=128, help="images of the naive and lockstep columns")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slow-rounds", type=int, default=3, help="rounds where the others take 100 steps")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--max-steps", type=int, default=40, help="cap of the iterative attacks in the first table")
    parser.add_argument("--attribute", default="Smiling")
    parser.add_argument("--run", type=Path, help="results of a finished default run to take networks and images from")
    parser.add_argument("--prepared", type=Path, default=Path(tempfile.gettempdir()) / "faceflip-benchmark")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS, help="of the first table")
    embedded = ["efficiency", "line", "iterative"]
    parser.add_argument("--tables", nargs="+", default=embedded, choices=embedded)
    parser.add_argument("--full", action="store_true", help="VGG-16 at full width on 178 x 218 pixels")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[64, 128, 256, 512], help="with --full")
    parser.add_argument("--compile", action="store_true", help="with --full: also through torch.compile")
    parser.add_argument("--width", type=float, default=1.0, help="with --full: another width, to try it out")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="with --full")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU, with --full")
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    (full_tables if arguments.full else embedded_tables)(arguments)


if __name__ == "__main__":
    main()
