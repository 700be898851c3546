"""What Snakemake says where faceflip 0.1 was before: of its results, and of a configuration written for it."""

import re
import shutil

import pytest
import yaml
from running import Workflow

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

FILES_OF_0_1 = (
    "dataset/faces.h5",
    "dataset/sample.csv",
    "networks/euclidean/Smiling/converged.pt",
    "networks/moon/converged.pt",
    "attacks/moon/converged/ffa-line/000.h5",
    "portability/euclidean/converged/ffa-line/000.parquet",
    "tables/table1.csv",
)

OVERLAY_OF_0_1 = """
sample: {images: 12}
network: {width: 0.5, architecture: resnet18}
training:
  separate: {max_epochs: 4, early_epoch: 3}
  moon: {max_epochs: 9, early_epoch: 3}
attacks: {fgs-iterative: {max_steps: 10}}
experiments:
  softmax: {converged: [ffa-line], epoch2: []}
  moon: {converged: [ffa-line]}
"""
OLD_KEYS = ("sample", "network", "training", "experiments")


@pytest.mark.parametrize("left", [FILES_OF_0_1, ("dataset/sample.csv",), ("networks/moon/converged.pt",)], ids=len)
def test_results_of_0_1_are_recognised_and_nothing_is_touched(tmp_path, left):
    for name in left:
        path = tmp_path / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of 0.1")
    workflow = Workflow(tmp_path)
    for arguments in (("--dry-run",), ("--cores", 1)):
        result = workflow(*arguments, check=False)
        said = result.stdout + result.stderr
        assert result.returncode == 1
        assert "Traceback" not in said
        assert f"{tmp_path / 'results'}: results of faceflip 0.1, whose files have other places now" in said
        assert "run with --directory elsewhere" in said
    there = {str(path.relative_to(tmp_path / "results")) for path in tmp_path.rglob("results/**/*") if path.is_file()}
    assert there == set(left)
    (command,) = re.findall(r"\(mv (\S+ \S+)\)", said)
    old, new = command.split()
    shutil.move(tmp_path / old, tmp_path / new)
    assert workflow.planned()["train_network"] == 2 + 2 + 1


def test_text_for_the_keys_of_0_1_can_be_pasted(tmp_path):
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(OVERLAY_OF_0_1)
    result = Workflow(tmp_path, [old])("--dry-run", check=False)
    said = result.stdout + result.stderr
    assert result.returncode == 1
    assert "Traceback" not in said
    (text,) = re.findall(r"has keys of faceflip 0\.1\. Put this in their place.*:\n\n(.*?\n)\n", said, re.DOTALL)
    kept = {key: value for key, value in yaml.safe_load(OVERLAY_OF_0_1).items() if key not in OLD_KEYS}
    new.write_text(yaml.safe_dump(kept) + text)
    planned = Workflow(tmp_path, [new]).planned()
    assert planned["train_network"] == 1
    assert sum(rule.startswith("train_network_") for rule in planned) == 2 + 2, "four of eight networks a job"
    assert planned["join_shards"] == (4 + 2) + 1 + 1
    assert planned["attack_shard"] == planned["join_shards"], "eight attributes on twelve images are one shard"
    said = Workflow(tmp_path, [new]).said("--dry-run")
    assert "results/networks/moon/all/epoch3.pt" in said
    assert "epoch2" not in said
