"""What a run will take, before anything is spent: jobs, disk, multiply-adds. docs/training.md states the formulas.

What depends on what the networks learn is counted at its most (epochs, flipped images), but for the passes of the
attacks, which are those that small networks took on average.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from faceflip.analysis.make import TABLES
from faceflip.attacks import Options, find
from faceflip.data import celeba
from faceflip.data.celeba.finding import find as find_celeba
from faceflip.data.celeba.labels import read_labels
from faceflip.figures.make import FIGURES
from faceflip.networks import NetworkSpec
from faceflip.training import TrainingOptions
from faceflip.workflow.config import Config
from faceflip.workflow.plan import CHECKPOINTS, MOON, SEPARATE, Experiment, Plan, attributes_of_network

FACE_BYTES = 11_000
"""Of a drawn face as JPEG."""

ROW_BYTES = {"attempts": 130, "predictions": 16, "transfers": 10}
"""Of a row of the tables, on disk, all copies of it together."""


@dataclass(frozen=True)
class Cost:
    """Multiply-adds of one image through a network, and the network's size.

    Attributes:
        forward: Of a forward pass.
        gradient: Of a forward pass and the gradient with respect to the image.
        training: Of a forward pass and the gradients with respect to the weights.
        parameters: Number of weights and biases.
    """

    forward: int
    gradient: int
    training: int
    parameters: int


def cost_of(spec: NetworkSpec) -> Cost:
    """Count what PyTorch would compute, without computing it: convolutions and matrix products.

    Raises:
        UserError: There is no such network, or it takes no images of that size.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from faceflip.networks import outline

    def counted(training: bool, gradient: bool) -> int:
        network.requires_grad_(training)
        width, height = spec.image_size
        image = torch.empty(1, 3, height, width, device="meta", requires_grad=gradient)
        with FlopCounterMode(display=False) as counter:
            scores = network(image)
            if training or gradient:
                scores.sum().backward()
        return counter.get_total_flops() // 2

    network = outline(spec).eval()
    return Cost(
        forward=counted(training=False, gradient=False),
        gradient=counted(training=False, gradient=True),
        training=counted(training=True, gradient=False),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
    )


@dataclass(frozen=True)
class Estimate:
    """What a valid configuration asks for.

    Attributes:
        config: The configuration.
        images: Number of images of each split.
    """

    config: Config
    images: Mapping[str, int]

    @classmethod
    def of(cls, config: Config) -> "Estimate":
        """Count the images: those to be drawn, those annotated, or CelebA's where its text files are not there yet."""
        folder = config["dataset"]["celeba"]
        if folder is None:
            return cls(config, {split: config["synthetic"][split] for split in celeba.SPLITS})
        layout = find_celeba(folder, images=False) if Path(folder).exists() else None
        if layout is None or layout.annotations is None or layout.partition is None:
            return cls(config, celeba.SPLIT_SIZES)
        splits = read_labels(layout).table["split"].tolist()
        return cls(config, {split: splits.count(split) for split in celeba.SPLITS})

    @cached_property
    def plan(self) -> Plan:
        """Which attacks on which checkpoints."""
        return Plan.from_config(self.config)

    def spec(self, network: str) -> NetworkSpec:
        """Return the specification of a network of a kind."""
        size = tuple(self.config["dataset"]["image_size"] or (celeba.WIDTH, celeba.HEIGHT))
        attributes = attributes_of_network(network, self.plan.attributes[0])
        return NetworkSpec.from_dict(
            {"objective": network, "attributes": attributes, "image_size": size, **self.config["network"]}
        )

    def options(self, network: str) -> TrainingOptions:
        """Return how a network of a kind is trained."""
        return TrainingOptions(**self.config["training"][MOON if network == MOON else "separate"])

    @cached_property
    def costs(self) -> dict[str, Cost]:
        """Of a network of each kind."""
        return {network: cost_of(self.spec(network)) for network in (*SEPARATE, MOON)}

    @property
    def networks(self) -> dict[str, int]:
        """Number of networks of each kind."""
        return {network: len(list(self.plan.members(network))) for network in (*SEPARATE, MOON)}

    @property
    def attempts(self) -> int:
        """Number of attempts of one experiment."""
        return len(self.plan.attributes) * self.plan.images

    def jobs(self) -> dict[str, int]:
        """Return the number of jobs of each rule, as Snakemake counts them, of a run from the beginning."""
        plan, separate = self.plan, len(SEPARATE) * len(self.plan.attributes)
        shards = len(plan.experiments) * len(plan.shards)
        return {
            **({"synthesize_faces": 1} if self.config["dataset"]["celeba"] is None else {}),
            "pack_dataset": 1,
            "draw_sample": 1,
            "train_network": separate,
            "train_moon": 1,
            "predict_network": separate,
            "predict_moon": 1,
            "attack_shard": shards,
            "join_shards": len(plan.experiments),
            "score_shard": shards,
            "transfer_shard": len(plan.transfers) * len(plan.shards),
            "scan_lines": 1,
            **dict.fromkeys(("collect_attempts", "collect_predictions", "collect_transfers", "describe_run"), 1),
            "make_table": len(TABLES),
            "make_figure": len(FIGURES),
            **dict.fromkeys(("draw_gallery", "write_readme", "write_index"), 1),
            "take_inventory": 8 - (self.config["dataset"]["celeba"] is not None),
            "all": 1,
        }

    def disk(self) -> dict[str, int]:
        """Return bytes by kind of file."""
        width, height = self.spec(MOON).image_size
        total, pixels = sum(self.images.values()), 3 * width * height
        weights = {network: 4 * cost.parameters for network, cost in self.costs.items()}
        rows = {
            "attempts": len(self.plan.experiments) * self.attempts,
            "predictions": sum(
                count * len(CHECKPOINTS) * len(self.spec(network).attributes) * self._predicted
                for network, count in self.networks.items()
            ),
            "transfers": sum(self.attempts * self._watched(experiment) for experiment in self.plan.transfers),
        }
        drawn = {"drawn faces": FACE_BYTES * total} if self.config["dataset"]["celeba"] is None else {}
        return {
            **drawn,
            "packed dataset": total * (pixels + len(celeba.ATTRIBUTES) + 16),
            "checkpoints": sum(count * len(CHECKPOINTS) * weights[network] for network, count in self.networks.items()),
            "perturbation stores": round(
                sum(
                    self.attempts * pixels * find(experiment.attack).share_of_raw
                    for experiment in self.plan.experiments
                )
            ),
            "tables": sum(count * ROW_BYTES[table] for table, count in rows.items()),
        }

    def unfinished_bytes(self) -> int:
        """Return what a training under way takes until it ends: the last state, the next one, and three checkpoints.

        A state is weights and mean squares of gradients; the checkpoints are the early one, the best, and a better one.
        """
        return (2 * 2 + 3) * 4 * max(cost.parameters for cost in self.costs.values())

    def multiply_adds(self) -> dict[str, int]:
        """Return multiply-adds by stage."""
        training = {network: count * self._training(network) for network, count in self.networks.items()}
        return {
            "training of separate networks": sum(training[network] for network in SEPARATE),
            "training of MOON": training[MOON],
            "predictions": sum(
                count * len(CHECKPOINTS) * self._predicted * self.costs[network].forward
                for network, count in self.networks.items()
            ),
            "attacks": sum(self.attack(experiment) for experiment in self.plan.experiments),
            "scans": sum(self._scan(experiment) for experiment in self.plan.scanned),
            "transfer": sum(self._transfer(experiment) for experiment in self.plan.transfers),
        }

    def attack(self, experiment: Experiment) -> int:
        """Return the multiply-adds of the attempts of one experiment."""
        attack, cost = find(experiment.attack), self.costs[experiment.network]
        return self.attempts * (attack.gradients * cost.gradient + attack.forwards * cost.forward)

    @property
    def _predicted(self) -> int:
        """Images that each checkpoint is run on."""
        return self.images["test"] + self.plan.images

    def _watched(self, experiment: Experiment) -> int:
        """Return the number of decisions that are watched for each adversarial image of an experiment."""
        return self.networks[experiment.network] * len(self.spec(experiment.network).attributes)

    def _training(self, network: str) -> int:
        options, cost = self.options(network), self.costs[network]
        learned = self.images["train"] // options.batch_size * options.batch_size
        return options.max_epochs * (learned * cost.training + self.images["validation"] * cost.forward)

    def _scan(self, experiment: Experiment) -> int:
        """One gradient, and at most a forward pass for every whole epsilon and for the bisection after it."""
        images = min(self.config["analysis"]["scan_images"], self.plan.images)
        options = Options.of(self.config["attacks"][experiment.attack])
        forwards = int(options.max_epsilon) + find(experiment.attack).forwards
        cost = self.costs[experiment.network]
        return len(self.plan.attributes) * images * (cost.gradient + forwards * cost.forward)

    def _transfer(self, experiment: Experiment) -> int:
        """Each target sees every adversarial image, and once a shard every unperturbed one."""
        images = sum(
            (part.stop - part.start) for shard in self.plan.shards for part in self.plan.attempts(shard)
        ) + sum(self._unperturbed(shard) for shard in self.plan.shards)
        return self.networks[experiment.network] * images * self.costs[experiment.network].forward

    def _unperturbed(self, shard: str) -> int:
        parts = self.plan.attempts(shard)
        return len({image for part in parts for image in range(part.start, part.stop)})


def as_json(estimate: Estimate, rate: float | None) -> dict[str, Any]:
    """Return an estimate for programs; `rate` is in multiply-adds a second."""
    work = estimate.multiply_adds()
    return {
        "images": dict(estimate.images),
        "jobs": estimate.jobs(),
        "bytes": estimate.disk(),
        "bytes_of_an_unfinished_training": estimate.unfinished_bytes(),
        "multiply_adds": work,
        "multiply_adds_per_second": rate,
        "hours": {stage: count / rate / 3600 for stage, count in work.items()} if rate else None,
    }
