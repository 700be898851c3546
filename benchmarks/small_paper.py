"""The paper in small: two attributes, both losses, MOON, all attacks, on drawn faces, by the stages of the workflow.

It runs where Snakemake is not installed: `Plan` says what there is to do, and the functions of `faceflip.stages` do it,
as the scripts of the rules call them. Used by benchmarks/gpu_parts.py.
"""

import os
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import forget_peak, peak, wait

from faceflip.attempt import Experiment
from faceflip.data.packed import Dataset, open_dataset
from faceflip.data.packing import pack_dataset
from faceflip.data.sample import draw_sample
from faceflip.data.synthetic import write_celeba
from faceflip.errors import UserError
from faceflip.io import paths
from faceflip.io.tables import write_table
from faceflip.networks.checkpoint import load_checkpoint
from faceflip.networks.inference import scores
from faceflip.networks.network import AttributeNetwork, NetworkSpec
from faceflip.stages.attack import ShardOfAttempts, attack_shard
from faceflip.stages.collect import collect_attempts
from faceflip.stages.predict import predict
from faceflip.stages.scan import scan_shards
from faceflip.stages.score import score_shard
from faceflip.stages.train import Member, TrainedFiles, train_and_save
from faceflip.stages.transfer import transfer_shard
from faceflip.store import open_store
from faceflip.workflow.network_settings import epoch_name
from faceflip.workflow.plan import Plan, PlannedNetwork
from faceflip.workflow.settings import Settings, merged, read_config

ROOT = Path(__file__).resolve().parents[1]
LINES, STEPS = ["fgs-line", "ffa-line"], ["fgs-iterative", "ffa-iterative"]
SMALL = {
    "dataset": {"celeba": None},
    "synthetic": {"train": 128, "validation": 32, "test": 32},
    "samples": {"paper": {"images": 8}},
    "attributes": ["Male", "Smiling"],
    "training": {"batch_size": 16, "learning_rate": 1e-4, "max_epochs": 2, "precision": "bfloat16"},
    "networks": {"moon": {"training": {"max_epochs": 2}}},
    "experiments": {
        "paper": {
            "euclidean": {"converged": [*LINES, *STEPS], "epoch2": LINES[:1]},
            "softmax": {"converged": [*LINES, *STEPS], "epoch2": []},
            "moon": {"converged": ["ffa-line", "ffa-iterative"], "epoch2": []},
        }
    },
    "attacks": {name: {"max_steps": 20} for name in STEPS},
    "analysis": {"scan_images": 2},
    "compute": {"shard_size": 1000},
}
"""Over the paper's preset: as few faces, epochs and steps as every stage can do with."""
TINY = {
    "dataset": {"image_size": [40, 48]},
    "synthetic": {"train": 32, "validation": 8, "test": 8},
    "samples": {"paper": {"images": 4}},
    "architecture": {"width": 1 / 16},
    "training": {"batch_size": 8, "precision": "float32"},
}


class SmallPaper:
    """A run under way, in the working directory: its plan, the files that there are, and the device."""

    def __init__(self, plan: Plan, device: torch.device) -> None:
        self.plan, self.device = plan, device
        self.settings = plan.settings
        self.shards = [(each, shard) for each in plan.experiments for shard in plan.shards(each)]

    dataset: Dataset
    sample: np.ndarray

    def stages(self) -> Iterator[tuple[str, str]]:
        """Carry out the stages one by one; yield the name of each when it is done, and what it came to."""
        for stage in (
            self.draw,
            self.train,
            self.predict,
            self.attack,
            self.judge,
            self.score,
            self.transfer,
            self.scan,
            self.collect,
        ):
            yield stage.__name__, stage()

    def draw(self) -> str:
        """Draw faces, pack them, and draw the sample."""
        settings, threads = self.settings, len(os.sched_getaffinity(0))
        sizes = {split: getattr(settings.synthetic, split) for split in ("train", "validation", "test")}
        write_celeba(Path("celeba"), **sizes, seed=settings.seed, workers=threads)
        Path(paths.DATASET).parent.mkdir(parents=True)
        size = settings.dataset.image_size
        pack_dataset(Path("celeba"), Path(paths.DATASET), tuple(size) if size else None, threads)
        self.dataset = open_dataset(paths.DATASET)
        (name,) = settings.samples
        drawn = draw_sample(self.dataset, name, settings.samples[name].split, settings.samples[name].images, 0)
        self.sample = drawn["image"].to_numpy()
        return f"{sum(sizes.values())} faces of {self.dataset.image_size[0]} x {self.dataset.image_size[1]}"

    def checkpoint(self, network: PlannedNetwork, member: str, name: str) -> Path:
        """Return where a checkpoint of a member is."""
        member = paths.folder_of(member)
        return Path(paths.CHECKPOINT.of(network=network.name, member=member, checkpoint=name))

    def train(self) -> str:
        """Train all members of all networks."""
        for network in self.plan.trained:
            options = network.settings.training
            members = [self.member(network, member) for member in network.members]
            train_and_save(self.dataset, network.name, members, options, self.settings.seed, self.device)
        return f"{sum(len(network.members) for network in self.plan.trained)} networks"

    def member(self, network: PlannedNetwork, member: str) -> Member:
        """Return what is trained of a member, in a folder that is made for it."""
        converged = self.checkpoint(network, member, network.final)
        converged.parent.mkdir(parents=True)
        loss, architecture = network.settings.loss, network.settings.architecture
        spec = NetworkSpec(loss, network.attributes_of(member), self.dataset.image_size, architecture)
        names = {epoch: epoch_name(epoch) for epoch in network.settings.training.checkpoints}
        epochs = {epoch: self.checkpoint(network, member, name) for epoch, name in names.items()}
        return Member(member, spec, TrainedFiles(converged, epochs, converged.with_name("history.csv")))

    def predict(self) -> str:
        """Run all checkpoints on the test split and the sample."""
        rows = 0
        for network in self.plan.trained:
            for member in network.members:
                files = {name: self.checkpoint(network, member, name) for name in network.checkpoints}
                table = predict(
                    self.dataset,
                    {"paper": self.sample},
                    files,
                    network.name,
                    network.attributes_of(member),
                    self.device,
                    self.settings.compute.batch_size,
                )
                rows += len(table)
        return f"{rows:,} decisions"

    def files(self, experiment: Experiment, shard: str) -> tuple[Path, Path]:
        """Return where the store of a shard is, and the table of its scores."""
        return tuple(Path(each.of(**vars(experiment), shard=shard)) for each in (paths.STORE, paths.SCORES))

    def checkpoints(self, experiment: Experiment) -> dict[str, Path]:
        """Return the checkpoints that an experiment attacks, by members."""
        network = self.plan.networks[experiment.network]
        return {member: self.checkpoint(network, member, experiment.checkpoint) for member in network.members}

    def attack(self) -> str:
        """Make the attempts of all shards."""
        for experiment, shard in self.shards:
            store, scored = self.files(experiment, shard)
            for file in (store, scored):
                file.parent.mkdir(parents=True, exist_ok=True)
            options = {
                **self.plan.attacks[experiment.attack].options,
                "batch_size": self.settings.compute.batch_size,
            }
            attempts = ShardOfAttempts(
                experiment,
                int(shard),
                self.plan.first_attempt(shard),
                self.plan.parts(experiment, shard),
                options,
                self.settings.seed,
            )
            attack_shard(store, attempts, self.checkpoints(experiment), self.dataset, self.sample, self.device)
        return f"{len(self.shards)} experiments"

    def judge(self) -> str:
        """Read every verdict again, one image a pass; raises UserError where one does not hold."""
        networks: dict[Path, AttributeNetwork] = {}
        read = 0
        for experiment, shard in self.shards:
            with open_store(self.files(experiment, shard)[0]) as store:
                flipped = store.select(outcome="flipped")
                attempts = store.attempts.iloc[flipped]
                images = [store.adversarial(row, self.dataset.images) for row in flipped]
            for attempt, image in zip(attempts.itertuples(), images, strict=True):
                network = self.plan.networks[experiment.network]
                file = self.checkpoint(network, network.member_of(attempt.attribute), experiment.checkpoint)
                if file not in networks:  # one at a time, as they are large
                    networks = {file: load_checkpoint(file, self.device)[0].eval()}
                both = np.stack([self.dataset.images[attempt.image], image])
                before, after = self._decided(networks[file], both, attempt.attribute)
                if (before > 0) == (after > 0):
                    raise UserError(
                        f"{experiment}, image {attempt.image}, {attempt.attribute}: stored as flipped, but the "
                        f"decision values are {before:g} and {after:g}"
                    )
                read += 1
        return f"{read} flips hold, one image a pass"

    @staticmethod
    def _decided(network: AttributeNetwork, images: np.ndarray, attribute: str) -> list[float]:
        """Return the decision values of images on one attribute."""
        outputs = torch.from_numpy(scores(network, images, np.arange(len(images)), batch_size=1))
        return network.objective.decision_values(outputs)[:, network.spec.attributes.index(attribute)].tolist()

    def score(self) -> str:
        """Score all flipped images by PASS."""
        scored = 0
        for experiment, shard in self.shards:
            store, file = self.files(experiment, shard)
            gpu = self.device if self.device.type == "cuda" else None
            color = self.settings.similarity.color
            table = score_shard(store, self.dataset, color, engine="auto", threads=1, device=gpu)
            write_table(file, table)
            scored += int(table["pass"].notna().sum())
        return f"{scored} pairs"

    def transfer(self) -> str:
        """Show adversarial images to other members, or to other outputs."""
        shown = 0
        for experiment in self.plan.transfers:
            for shard in self.plan.shards(experiment):
                targets = list(self.checkpoints(experiment).values())
                table = transfer_shard(
                    *self.files(experiment, shard),
                    targets,
                    self.dataset,
                    threshold=self.settings.analysis.threshold,
                    device=self.device,
                    batch_size=self.settings.compute.batch_size,
                )
                shown += len(table)
        return f"{shown} decisions"

    def scan(self) -> str:
        """Repeat some line searches by every whole epsilon."""
        images = self.sample[: self.settings.analysis.scan_images]
        scanned = [each for each in self.shards if each[0] in self.plan.scanned]
        checkpoints = {file for each, _ in scanned for file in self.checkpoints(each).values()}
        stores = [self.files(*each)[0] for each in scanned]
        table = scan_shards(stores, sorted(checkpoints), images, self.dataset, self.device)
        return f"{len(table)} searches, {int(table['same'].sum())} end alike"

    def collect(self) -> str:
        """Put all attempts into one table."""
        table = collect_attempts(self.files(*each) for each in self.shards)
        flipped = table["flipped"] == 1
        return f"{len(table)} attempts, {flipped.mean():.0%} flipped, median PASS {table['pass'].median():.4f}"


@contextmanager
def planned(bench: Any) -> Iterator[tuple[Plan, torch.device]]:
    """Plan the small run, and be in a folder of its own while it lasts."""
    config = merged(read_config(ROOT, [ROOT / "workflow/presets/paper.yaml"]), SMALL)
    plan = Plan(Settings.of(merged(config, TINY if bench.tiny else {})))
    with bench.computing(deterministic=True) as device, chdir(bench.work):
        yield plan, device


def run(bench: Any) -> None:
    """Carry out the stages, and write a row for each."""
    with planned(bench) as (plan, device):
        begun = time.perf_counter()
        for stage, came_to in SmallPaper(plan, device).stages():
            wait(device)
            seconds, begun = time.perf_counter() - begun, time.perf_counter()
            row = [stage, f"{seconds:.1f}", peak(device), came_to]
            bench.row("Stages", ["", "seconds", "memory", "came to"], row)
            forget_peak(device)
