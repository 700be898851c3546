"""What a run will take, before anything is spent: jobs, disk, multiply-adds. docs/reference/plan.md has the formulas.

What depends on what the networks learn is counted at its most (epochs, flipped images), but for the passes of the
attacks, which are those that small networks took on average.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from faceflip.attempt import Experiment
from faceflip.data.celeba import SPLIT_SIZES, SPLITS
from faceflip.data.celeba.finding import find as find_celeba
from faceflip.data.celeba.labels import read_labels
from faceflip.data.celeba.source import CelebA
from faceflip.networks.bringing import bring
from faceflip.networks.network import AttributeNetwork, NetworkSpec, outline
from faceflip.workflow.doubt_settings import FOLD_LOSS
from faceflip.workflow.jobs import jobs_from_nothing
from faceflip.workflow.plan import Plan, PlannedNetwork
from faceflip.workflow.settings import Settings

FACE_BYTES = 11_000
"""Of a drawn face as JPEG."""

ROW_BYTES = {"attempts": 130, "predictions": 16, "transfers": 10}
"""Of a row of the tables, on disk, all copies of it together."""


@dataclass(frozen=True)
class Cost:
    """Multiply-adds of one image: forward, with the gradient with respect to the image, or to the weights.

    `parameters` is the number of weights and biases.
    """

    forward: int
    gradient: int
    training: int
    parameters: int


def cost_of(spec: NetworkSpec, network: AttributeNetwork | None = None) -> Cost:
    """Count what PyTorch would compute: convolutions and matrix products.

    It is not computed, but for a `network` that was brought: code that others wrote may not work on tensors without
    values.

    Raises UserError where there is no such network, or it takes no images of that size.
    """

    def counted(training: bool, gradient: bool) -> int:
        network.requires_grad_(training)
        width, height = spec.image_size
        device = "cpu" if spec.brought else "meta"
        image = torch.zeros(1, 3, height, width, device=device, requires_grad=gradient)
        with FlopCounterMode(display=False) as counter:
            scores = network(image)
            if training or gradient:
                scores.sum().backward()
        return counter.get_total_flops() // 2

    network = network or outline(spec).eval()
    return Cost(
        forward=counted(training=False, gradient=False),
        gradient=counted(training=False, gradient=True),
        training=0 if spec.brought else counted(training=True, gradient=False),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
    )


@dataclass(frozen=True)
class Estimate:
    """What a configuration asks for: its plan, and the number of images of each split.

    `assumed` says why the images were not counted, where they were not.
    """

    plan: Plan
    images: Mapping[str, int]
    assumed: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Estimate":
        """Count the images: those to be drawn, those annotated, or CelebA's where its text files are not there yet."""
        plan, dataset = Plan(settings), settings.dataset
        if dataset.drawn:
            return cls(plan, {split: getattr(settings.synthetic, split) for split in SPLITS})
        if dataset.table:
            splits = dataset.open().table["split"].tolist()
            return cls(plan, {split: splits.count(split) for split in SPLITS})
        whole = f"counted is the whole CelebA, {sum(SPLIT_SIZES.values()):,} images; see dataset.celeba"
        if not Path(dataset.celeba).exists():
            return cls(plan, SPLIT_SIZES, f"{dataset.celeba} does not exist: {whole}")
        layout = find_celeba(dataset.celeba, images=False)
        if layout.annotations is None or (layout.partition is None and dataset.split_shares is None):
            return cls(plan, SPLIT_SIZES, f"{dataset.celeba} has no annotations and partition of CelebA: {whole}")
        labels = CelebA(dataset.celeba, **dataset.choice) if dataset.subset else read_labels(layout, **dataset.choice)
        splits = labels.table["split"].tolist()
        return cls(plan, {split: splits.count(split) for split in SPLITS})

    @property
    def settings(self) -> Settings:
        """The configuration."""
        return self.plan.settings

    def spec(self, network: str) -> NetworkSpec:
        """Return the specification of the first member of a network; the others cost the same."""
        planned = self.plan.networks[network].root
        attributes, settings = planned.attributes_of(planned.members[0]), planned.settings
        size = self.settings.dataset.size
        return NetworkSpec(settings.loss, attributes, size, settings.architecture, settings.brought)

    @cached_property
    def costs(self) -> dict[str, Cost]:
        """Of a member of each network; one that is fine-tuned, or made with another seed, costs as the first did."""
        known: dict[str, Cost] = {}
        for name, network in self.plan.networks.items():
            group = network.root.group
            if group not in known:
                known[group] = cost_of(self.spec(name), self._brought(network.root.name))
        return {name: known[network.root.group] for name, network in self.plan.networks.items()}

    def _brought(self, name: str) -> AttributeNetwork | None:
        """Return a network that was trained elsewhere, after seeing that its weights fit, or None."""
        settings = self.plan.networks[name].settings
        return bring(self.spec(name), settings.weights, settings.entry)[0] if settings.brought else None

    def jobs(self) -> dict[str, int]:
        """Return the number of jobs of each rule, as Snakemake counts them, of a run from the beginning."""
        return jobs_from_nothing(self.plan)

    def disk(self) -> dict[str, int]:
        """Return bytes by kind of file."""
        plan, total = self.plan, sum(self.images.values())
        width, height = self.settings.dataset.size
        attempts = {each: plan.attempts_of(each) for each in plan.experiments}
        rows = {
            "attempts": sum(attempts.values()),
            "predictions": sum(self._predictions(each) * len(each.attributes) for each in plan.networks.values()),
            "transfers": sum(attempts[each] * len(plan.networks[each.network].attributes) for each in plan.transfers),
        }
        raw = 3 * width * height
        stored = (count * raw * plan.attacks[each.attack].entry.share_of_raw for each, count in attempts.items())
        drawn = {"drawn faces": FACE_BYTES * total} if self.settings.dataset.drawn else {}
        return {
            **drawn,
            "packed dataset": total * (raw + len(self.settings.dataset.attributes) + 16),
            "checkpoints": sum(
                len(each.members) * len(each.checkpoints) * 4 * self.costs[name].parameters
                for name, each in plan.networks.items()
            ),
            "perturbation stores": round(sum(stored)),
            "tables": sum(count * ROW_BYTES[table] for table, count in rows.items()),
        }

    def unfinished_bytes(self) -> int:
        """Return what a training under way takes at most until it ends: its last state, the next one, and checkpoints.

        A state is weights and mean squares of gradients; the checkpoints are those kept, and one better than the best.
        Networks that one job trains leave their checkpoints beside it until the last has ended. A fine-tuning has the
        images that it learns from beside it.
        """
        sizes = [self._state(each) + self._waiting(each) for each in self.plan.trained]
        sizes += [self._state(each) + self._fodder(each) for each in self.plan.tuned]
        return max(sizes, default=0)

    def _state(self, network: PlannedNetwork) -> int:
        return (2 * 2 + len(network.checkpoints) + 1) * 4 * self.costs[network.name].parameters

    def _waiting(self, network: PlannedNetwork) -> int:
        """Return the bytes of checkpoints that lie ready while the last network of a job is trained."""
        together = min(self.settings.compute.networks_per_job, len(network.members))
        return (together - 1) * len(network.checkpoints) * 4 * self.costs[network.name].parameters

    def _fodder(self, network: PlannedNetwork) -> int:
        """Return the bytes of the perturbed images that a fine-tuning learns from, decoded."""
        found = self.plan.fodder(network, network.members[0])
        width, height = self.settings.dataset.size
        images = self.plan.attempts_of(found[0]) if found else 0
        return 3 * width * height * images // len(network.source.members)

    def multiply_adds(self) -> dict[str, int]:
        """Return multiply-adds by stage."""
        plan = self.plan
        return {
            **{f"training of {each.title}": self._training(each) for each in plan.trained},
            **({"out-of-fold scores": self._folds()} if self.settings.doubt.folds else {}),
            **({"fine-tuning": sum(map(self._tuning, plan.tuned))} if plan.tuned else {}),
            "predictions": sum(
                len(each.members) * self._predictions(each) * self.costs[name].forward
                for name, each in plan.networks.items()
            ),
            "attacks": sum(map(self.attack, plan.experiments)),
            "scans": sum(map(self._scan, plan.scanned)),
            "transfer": sum(map(self._transfer, plan.transfers)) + sum(map(self._between, plan.between)),
        }

    def attack(self, experiment: Experiment) -> int:
        """Return the multiply-adds of the attempts of one experiment."""
        attack, cost = self.plan.attacks[experiment.attack].entry, self.costs[experiment.network]
        passes = attack.gradients * cost.gradient + attack.forwards * cost.forward
        return self.plan.attempts_of(experiment) * passes

    def _training(self, network: PlannedNetwork) -> int:
        options, cost = network.settings.training, self.costs[network.name]
        learned = self.images["train"] // options.batch_size * options.batch_size
        epoch = learned * cost.training + self.images["validation"] * cost.forward
        return len(network.members) * options.max_epochs * epoch

    def _folds(self) -> int:
        """Each network learns from all images but a fold's, is judged by these after each epoch, and scores them."""
        settings, total = self.settings, sum(self.images.values())
        doubt = settings.doubt
        cost = cost_of(NetworkSpec(FOLD_LOSS, settings.dataset.attributes, settings.dataset.size, doubt.architecture))
        learned = (doubt.folds - 1) * total * cost.training
        looks = doubt.training.max_epochs + 1 + doubt.training.mirror
        return doubt.training.max_epochs * learned + looks * total * cost.forward

    def _tuning(self, network: PlannedNetwork) -> int:
        """Epochs of training; of a diet that is made on the fly each image of its share takes more gradients."""
        tuning, cost = network.settings, self.costs[network.name]
        held_out = sum(self.settings.samples[name].images for name in self.plan.held_out)
        learned = (self.images["train"] - held_out) // tuning.training.batch_size * tuning.training.batch_size
        made = (tuning.adversary.steps or tuning.contents.steps) if tuning.contents.steps else 0
        training = cost.training or 3 * cost.forward  # which is not counted of networks that were trained elsewhere
        epoch = learned * (training + tuning.share * made * cost.gradient) + self.images["validation"] * cost.forward
        return round(len(network.members) * tuning.epochs * epoch)

    def _predictions(self, network: PlannedNetwork) -> int:
        """Images that each member is run on, by all its checkpoints together: the test split and samples."""
        sampled = sum(self.settings.samples[name].images for name in self.plan.samples_of(network.name))
        return len(network.checkpoints) * (self.images["test"] + sampled)

    def _scan(self, experiment: Experiment) -> int:
        """One gradient, and at most a forward pass for every whole epsilon and for the bisection after it."""
        attack, cost = self.plan.attacks[experiment.attack], self.costs[experiment.network]
        images = min(self.settings.analysis.scan_images, self.settings.samples[experiment.sample].images)
        forwards = int(attack.settings.max_epsilon) + attack.entry.forwards
        attempts = len(self.plan.networks[experiment.network].attacked) * images
        return attempts * (cost.gradient + forwards * cost.forward)

    def _transfer(self, experiment: Experiment) -> int:
        """Each member sees every adversarial image, and once a shard every unperturbed one."""
        shown, images = 0, self.settings.samples[experiment.sample].images
        for shard in self.plan.shards(experiment):
            attempts = sum(part.stop - part.start for part in self.plan.parts(experiment, shard))
            shown += attempts + min(attempts, images)  # attempts that follow each other are on different images
        return len(self.plan.networks[experiment.network].members) * shown * self.costs[experiment.network].forward

    def _between(self, experiment: Experiment) -> int:
        """Each other network that decides on an attribute sees its adversarial images, and the unperturbed ones."""
        images, source = self.settings.samples[experiment.sample].images, self.plan.networks[experiment.network]
        return sum(
            2 * images * len({*source.attacked} & {*other.attributes}) * self.costs[other.name].forward
            for other in self.plan.others(experiment)
        )


def as_json(estimate: Estimate, rate: float | None) -> dict[str, Any]:
    """Return an estimate for programs; `rate` is in multiply-adds a second."""
    work = estimate.multiply_adds()
    return {
        "images": dict(estimate.images),
        "assumed": estimate.assumed,
        "jobs": estimate.jobs(),
        "bytes": estimate.disk(),
        "bytes_of_an_unfinished_training": estimate.unfinished_bytes(),
        "multiply_adds": work,
        "multiply_adds_per_second": rate,
        "hours": {stage: count / rate / 3600 for stage, count in work.items()} if rate else None,
    }
