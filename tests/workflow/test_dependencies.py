"""What Snakemake remakes after a change: what hangs on it, and nothing else. Asked by dry runs of a finished run."""

import pytest

from faceflip.workflow.versions import VERSIONS

pytestmark = pytest.mark.workflow


def rules_of(workflow, *arguments):
    return set(workflow.planned(*arguments))


MODEL_FREE = {"synthesize_faces", "pack_dataset", "draw_sample"}
TRAINING = {"train_network", "train_moon"}


def test_a_finished_run_has_nothing_to_do(tiny):
    assert "Nothing to be done" in tiny.said("--cores", 2)


def test_one_attacks_parameter(tiny):
    changed = tiny.with_overlay(attacks={"fgs-iterative": {"max_steps": 11}})
    remade = {path for path in changed.outputs() if path.startswith(("results/attacks/", "results/scores/"))}
    assert remade
    assert all("/fgs-iterative" in path for path in remade), remade
    rules = rules_of(changed)
    assert "collect_attempts" in rules
    forbidden = MODEL_FREE | TRAINING | {"predict_network", "predict_moon", "collect_predictions", "transfer_shard"}
    assert not rules & forbidden
    assert "results/tables/classification_error.csv" not in changed.outputs(), "hangs on no attack"


@pytest.mark.parametrize("attributes", [["Smiling", "Male", "Young"]])
def test_another_attribute(tiny, attributes):
    changed = tiny.with_overlay(attributes=attributes)
    outputs = changed.outputs()
    trained = {path for path in outputs if path.startswith("results/networks/") and path.endswith(".pt")}
    assert trained == {
        f"results/networks/{loss}/Young/{checkpoint}.pt"
        for loss in ("euclidean", "softmax")
        for checkpoint in ("epoch2", "converged")
    }
    attacked = {path for path in outputs if path.startswith("results/attacks/") and path.endswith("/001.h5")}
    shards = {path for path in outputs if path.startswith("results/attacks/") and path[-6:-3].isdigit()}
    assert shards == attacked, "only the new attribute's shard"
    assert len(attacked) == 14
    assert not rules_of(changed) & (MODEL_FREE | {"train_moon", "predict_moon"})


def test_a_pass_threshold(tiny):
    changed = tiny.with_overlay(analysis={"threshold": 0.9})
    rules = rules_of(changed)
    assert "transfer_shard" in rules
    assert not rules & (MODEL_FREE | TRAINING | {"predict_network", "attack_shard", "score_shard", "collect_attempts"})


def test_the_grey_score(tiny):
    rules = rules_of(tiny.with_overlay(similarity={"color": "gray"}))
    assert {"score_shard", "collect_attempts"} <= rules
    assert not rules & (MODEL_FREE | TRAINING | {"predict_network", "attack_shard"})


def test_moons_training(tiny):
    outputs = tiny.with_overlay(training={"moon": {"patience": 5}}).outputs()
    assert "results/networks/moon/converged.pt" in outputs
    assert not any(path.startswith(("results/networks/euclidean", "results/attacks/softmax")) for path in outputs)


@pytest.mark.parametrize(
    ("stage", "rules", "untouched"),
    [
        ("train", {"train_network", "train_moon", "attack_shard"}, MODEL_FREE),
        ("attack", {"attack_shard", "score_shard", "join_shards"}, MODEL_FREE | TRAINING | {"predict_network"}),
        ("score", {"score_shard", "transfer_shard"}, MODEL_FREE | TRAINING | {"attack_shard", "predict_network"}),
        ("predict", {"predict_network", "predict_moon"}, MODEL_FREE | TRAINING | {"attack_shard", "score_shard"}),
    ],
)
def test_a_raised_stage_version(tiny, tmp_path, stage, rules, untouched):
    changed = tiny.with_copied_project(tmp_path)
    stages = tmp_path / "scripts/faceflip/workflow/versions.py"
    number = VERSIONS[stage]
    assert f'"{stage}": {number},' in stages.read_text()
    stages.write_text(stages.read_text().replace(f'"{stage}": {number},', f'"{stage}": {number + 1},'))
    planned = rules_of(changed)
    assert rules <= planned
    assert not untouched & planned


def test_a_copy_of_the_code_changes_nothing(tiny, tmp_path):
    assert tiny.with_copied_project(tmp_path).planned() == {}
