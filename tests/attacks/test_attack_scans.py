"""Where the line search steps over a section in which the decision had changed, the scan finds it."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from faceflip.analysis.tables.line_search import line_search
from faceflip.attacks import attack
from faceflip.attempt import Experiment
from faceflip.data.packed import open_dataset
from faceflip.data.packing import pack_dataset
from faceflip.data.synthetic import write_celeba
from faceflip.errors import UserError
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.checkpoint import CheckpointInfo, save_checkpoint
from faceflip.networks.network import NetworkSpec, build
from faceflip.stages.attack import ShardOfAttempts, attack_shard
from faceflip.stages.scan import scan_shards
from faceflip.store import open_store
from faceflip.workflow.plan import Part

ATTRIBUTES = ("Male", "Smiling")


class Dip(nn.Module):
    """A score of the sum of pixels that is positive but for two dips: from -2 to -3.5, and from -9 on."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.start = start

    def forward(self, images):
        moved = (self.start - images.sum(dim=(1, 2, 3))) / 12
        inside = ((moved >= 2) & (moved <= 3.5)) | (moved >= 9)
        slope = images.sum(dim=(1, 2, 3)) * 1e-6
        return (torch.where(inside, -1.0, 1.0) + slope - slope.detach())[:, None]


def test_a_dip_between_two_probes_is_missed_by_doubling_alone():
    image = np.full((1, 2, 2, 3), 100, np.uint8)
    # Probes at 1, 3: the dip from 2 to 3.5 is hit at 3 and bisected to 2. A dip from 4 to 6 is stepped over.
    network = Dip(1200.0)
    assert (
        attack(network, image, "fgs-line").epsilon[0]
        == attack(network, image, "fgs-line", search="scan").epsilon[0]
        == 2
    )
    shifted = Dip(1200.0 + 12 * -2.2)  # the dip now lies from 4.2 to 5.7, the next begins at 11.2
    assert attack(shifted, image, "fgs-line").epsilon[0] == 12
    assert attack(shifted, image, "fgs-line", search="scan").epsilon[0] == 5


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    """A shard of line attacks on two untrained networks, its dataset, and the checkpoints by name."""
    folder = tmp_path_factory.mktemp("scans")
    torch.set_num_threads(1)
    write_celeba(folder / "faces", train=12, validation=1, test=1, seed=1)
    pack_dataset(folder / "faces", folder / "d.h5", (32, 36))
    dataset = open_dataset(folder / "d.h5")
    networks = {}
    architecture = ArchitectureOptions(width=0.0625, initialisation="msra", input_scale=1 / 64)
    for number, name in enumerate(ATTRIBUTES):
        spec = NetworkSpec("euclidean", (name,), (32, 36), architecture)
        networks[name] = folder / name / "converged.pt"
        networks[name].parent.mkdir()
        info = CheckpointInfo("euclidean", name, 1, {}, {}, dataset.fingerprint)
        save_checkpoint(networks[name], build(spec, seed=number), info)
    sample, path = dataset.rows("train"), folder / "000.h5"
    attempts = ShardOfAttempts(
        Experiment("paper", "euclidean", "converged", "fgs-line"),
        number=0,
        first_attempt=0,
        parts=[Part(name, name, 0, len(sample)) for name in ATTRIBUTES],
        options={"max_epsilon": 40, "batch_size": 8},
        seed=1,
    )
    attack_shard(path, attempts, networks, dataset, sample, torch.device("cpu"))
    return path, networks, sample, dataset


def test_a_shards_attempts_are_repeated_as_they_were_made(shard):
    path, networks, sample, dataset = shard
    scans = scan_shards([path], list(networks.values()), sample[:5], dataset, torch.device("cpu"))
    assert len(scans) == 10
    assert set(scans["image"]) == set(sample[:5])
    assert set(scans["attribute"]) == set(ATTRIBUTES)
    assert scans["scan_flipped"].any()
    assert (scans["scan_flipped"] >= scans["flipped"]).all()
    both = scans[scans["flipped"]]
    assert (both["scan_epsilon"] <= both["epsilon"]).all()
    assert ((both["scan_epsilon"] == both["epsilon"]) == both["same"]).all()
    counted = line_search(scans, SimpleNamespace(network_names=["euclidean"], checkpoints=["converged"], attributes=()))
    assert counted["attempts"].tolist() == [10]
    assert counted["missed"].tolist() == [int((scans["scan_flipped"] & ~scans["flipped"]).sum())]


def test_a_shard_with_probes_in_a_lower_precision(shard, tmp_path, capsys):
    """Its log tells what float32 overruled; its flips are those of float32, and so is the scan."""
    path, networks, sample, dataset = shard
    attempts = ShardOfAttempts(
        Experiment("paper", "euclidean", "converged", "fgs-line"),
        number=0,
        first_attempt=0,
        parts=[Part(name, name, 0, len(sample)) for name in ATTRIBUTES],
        options={"max_epsilon": 40, "batch_size": 8, "search_precision": "bfloat16"},
        seed=1,
    )
    attack_shard(tmp_path / "000.h5", attempts, networks, dataset, sample, torch.device("cpu"))
    said = capsys.readouterr().out
    for name in ATTRIBUTES:
        assert f"{networks[name]}: float32 overruled bfloat16 in 0 of 12 attempts" in said
    with open_store(path) as strict, open_store(tmp_path / "000.h5") as coarse:
        assert coarse.header.parameters == {**strict.header.parameters, "search_precision": "bfloat16"}
        columns = ["image", "attribute", "flipped", "epsilon", "score_before", "score_after", "outcome"]
        pd.testing.assert_frame_equal(coarse.attempts[columns], strict.attempts[columns])
        assert (coarse.attempts["forward_passes"] > strict.attempts["forward_passes"]).any()
    scans = [
        scan_shards([each], list(networks.values()), sample[:3], dataset, torch.device("cpu"))
        for each in (path, tmp_path / "000.h5")
    ]
    pd.testing.assert_frame_equal(*scans)


def test_a_missing_checkpoint_is_told(shard):
    path, networks, sample, dataset = shard
    with pytest.raises(UserError, match=r"000\.h5: no checkpoint of Smiling is given with the digest"):
        scan_shards([path], [networks["Male"]], sample, dataset, torch.device("cpu"))
