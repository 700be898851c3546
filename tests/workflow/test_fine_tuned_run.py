"""A run in which networks are fine-tuned: from the sample that is attacked for them to every table and figure."""

import numpy as np
import pandas as pd
import pytest
import yaml
from running import ROOT, Workflow

from faceflip.networks.checkpoint import load_checkpoint

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

OVERLAY = {
    "samples": {"harden": {"images": 12}, "unseen": {"split": "test", "images": 6}},
    "networks": {
        "softmax": None,
        "moon": {"training": {"max_epochs": 6}},  # which flips by then
        "control": {"from": "moon", "seeds": [1, 2]},
        "hard": {"from": "moon", "diet": "hard", "attack": "ffa-line", "seeds": [1, 2]},
        "trusted": {
            "from": "moon",
            "diet": "natural",
            "attack": "ffa-line",
            "doubts": "results/synthetic/mislabelled.csv",
        },
        "quick": {"from": "euclidean/epoch2", "diet": "fgsm-rs", "share": 1.0},
    },
    "experiments": {
        "paper": {"euclidean": {"converged": ["ffa-line"], "epoch2": ["ffa-line"]}},
        "unseen": {"moon": {"converged": ["ffa-line"]}},
    },
    "analysis": {"threshold": 0.0, "scan_images": 2, "tables": None, "figures": None},
    "compute": {"shard_size": 6},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run; tests must leave it as it is."""
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "overlay.yaml").write_text(yaml.safe_dump(OVERLAY))
    workflow = Workflow(folder, [ROOT / "tests/robustness/micro.yaml", folder / "overlay.yaml"])
    workflow("--cores", 2)
    return workflow


@pytest.fixture(scope="module")
def results(run):
    return run.directory / "results"


def sample(results, name):
    return set(pd.read_csv(results / f"samples/{name}.csv")["image"])


def fed(results, network, member="all"):
    return pd.read_parquet(results / f"networks/{network}/{member}/diet.parquet")


def test_every_table_and_figure_is_made(run, results):
    assert "Nothing to be done" in run.said("--cores", 1)
    for table in ("fine_tuning", "fine_tuning_natural"):
        assert {path.suffix for path in (results / "tables").glob(f"{table}.*")} == {".csv", ".md", ".tex", ".html"}
    for figure in ("fine_tuning", "fine_tuning_curves", "fine_tuning_faces"):
        assert (results / f"figures/{figure}.png").stat().st_size > 10_000
    page = (results / "index.html").read_text()
    assert "Fine-tuning on what attacks found" in page
    assert "figures/fine_tuning_faces.png" in page
    assert "Fine-tuned from moon, converged: " in (results / "README.md").read_text()


def test_nobody_learns_from_images_that_judge(results):
    judging = sample(results, "paper") | sample(results, "unseen")
    harden = sample(results, "harden")
    assert not harden & judging
    assert len(harden) == 12
    for network, member in (
        ("control-seed1", "all"),
        ("hard-seed1", "all"),
        ("hard-seed2", "all"),
        ("quick", "Smiling"),
    ):
        taken = fed(results, network, member)
        assert not set(taken["image"]) & judging
        assert taken["times"].sum() == 3 * 16  # steps, batch
    extra = fed(results, "hard-seed1").query("use == 'extra'")
    assert len(extra)
    assert set(extra["image"]) <= harden
    assert set(extra["factor"]) <= {1.05, 1.1, 1.5, 2.0}
    flipped = pd.read_parquet(results / "attempts.parquet").query(
        "sample == 'harden' and network == 'moon' and correct"
    )
    assert set(extra["image"]) <= set(flipped.query("flipped")["image"])
    assert fed(results, "quick", "Smiling")["use"].eq("extra").all()


def test_no_extra_image_is_of_a_label_in_doubt(results):
    falsified = pd.read_csv(results / "synthetic/mislabelled.csv")
    extra = fed(results, "trusted").query("use == 'extra'")
    assert not set(zip(extra["file_name"], extra["attribute"], strict=True)) & set(
        zip(falsified["file_name"], falsified["attribute"], strict=True)
    )


def test_a_seed_has_its_own_order_and_diets_share_it(results):
    def times(network):
        clean = fed(results, network).query("use == 'clean'")
        return dict(zip(clean["image"], clean["times"], strict=True))

    first, second, hard = (times(name) for name in ("control-seed1", "control-seed2", "hard-seed1"))
    assert first != second
    assert set(hard) < set(first), "half of each batch is replaced"


def test_checkpoints_say_where_they_are_from(results):
    network, info = load_checkpoint(results / "networks/hard-seed2/all/tuned.pt")
    assert info.network == "hard-seed2"
    assert info.training["from"]["network"] == "moon"
    assert info.training["diet"] == {"diet": "hard", "share": 0.5, "epochs": 1}
    assert network.spec == load_checkpoint(results / "networks/moon/all/converged.pt")[0].spec
    before, after = (
        load_checkpoint(results / f"networks/{name}.pt")[0].state_dict()
        for name in ("moon/all/converged", "hard-seed2/all/tuned")
    )
    assert any(not before[name].equal(after[name]) for name in before)


def test_errors_against_the_control(results):
    table = pd.read_csv(results / "tables/fine_tuning.csv", dtype={"seed": str})
    predictions = pd.read_parquet(results / "predictions.parquet").query("split == 'test'")

    def error(network):
        rows = predictions[predictions["network"] == network]
        wrong = (rows["score"] > 0) != (rows["label"] > 0)
        return wrong.groupby(rows["attribute"]).mean().mean()

    errors = table.query("measure == 'error' and sample == 'test' and network == 'hard'").set_index("seed")
    own = {seed: error(f"hard-seed{seed}") for seed in ("1", "2")}
    control = {seed: error(f"control-seed{seed}") for seed in ("1", "2")}
    for seed in own:
        assert errors.loc[seed, "value"] == pytest.approx(own[seed])
        assert errors.loc[seed, "against_control"] == pytest.approx(own[seed] - control[seed])
    assert errors.loc["mean", "value"] == pytest.approx(np.mean(list(own.values())))


def test_old_adversarial_images_on_new_networks(results):
    between = pd.read_parquet(results / "between.parquet")
    assert set(between["sample"]) == {"paper", "unseen"}
    assert set(between["target"]) == {"control-seed1", "control-seed2", "hard-seed1", "hard-seed2", "trusted", "quick"}
    assert set(between.query("target == 'quick'")["checkpoint"]) == {"epoch2"}
    table = pd.read_csv(results / "tables/fine_tuning.csv", dtype={"seed": str})
    found = table.query("measure == 'old_still_flips' and network == 'hard' and sample == 'paper' and seed == '1'")
    shown = between.query("target == 'hard-seed1' and sample == 'paper' and correct")
    assert found["value"].tolist() == pytest.approx([shown["changed"].mean()])


def test_other_tables_leave_them_out(results):
    names = ("control", "hard-seed", "trusted", "quick")
    for file in ("flippability", "success", "overview", "classification_error", "trainings"):
        assert not any(name in (results / f"tables/{file}.csv").read_text() for name in names), file


def test_what_makes_it_anew(run):
    assert run.with_overlay(analysis={"threshold": 0.9}).planned()["fine_tune"] == 3, "those that are fed by stores"
    assert run.with_overlay(attacks={"ffa-line": {"max_epsilon": 99}}).planned()["fine_tune"] == 3
    longer = run.with_overlay(networks={"quick": {"epochs": 2}}).planned()
    assert longer["fine_tune"] == 1
    assert "train_network" not in longer
    again = run.with_overlay(networks={"hard": {"factors": [3]}}).planned()
    assert again["fine_tune"] == 2
    more = run.with_overlay(networks={"control": {"seeds": [1, 2, 3]}}).planned()
    assert more["fine_tune"] == 1
    assert run.with_overlay(networks={"hard": {"share": 0.0}}).planned()["fine_tune"] == 2
    assert "fine_tune" not in run.with_overlay(networks={"hard": {"title": "Ours"}}).planned()
    trained = run.with_overlay(training={"seed": 4}).planned()
    assert trained["fine_tune"] == 6


def test_labels_in_doubt_go_from_the_folds_to_every_table(results):
    doubts = pd.read_parquet(results / "dataset/label_doubt.parquet")
    assert len(doubts) == 40 * (64 + 24 + 24)
    assert doubts["score"].between(0, 1).all()
    parts = [pd.read_parquet(results / f"doubt/{fold}.parquet") for fold in range(2)]
    assert set(parts[0]["image"]).isdisjoint(parts[1]["image"])
    doubtful = doubts[doubts["doubtful"]]
    assert set(doubtful["reasons"]) == {"scores"}
    pairs = set(zip(doubtful["image"], doubtful["attribute"], strict=True))
    attempts = pd.read_parquet(results / "attempts.parquet")
    found = [pair in pairs for pair in zip(attempts["image"], attempts["attribute"], strict=True)]
    assert attempts["doubtful"].tolist() == found
    for table, column in (("flippability", "total"), ("success", "total"), ("fine_tuning_natural", "before")):
        frame = pd.read_csv(results / f"tables/{table}.csv")
        by_sign = frame.groupby("sign")[column].sum()
        assert by_sign["-"] == by_sign["- firm"] + by_sign["- doubtful"], table
    counted = pd.read_csv(results / "tables/label_doubt.csv").set_index(["split", "attribute"])
    assert counted.loc[("all", "all"), "doubtful"] == len(doubtful)
    assert (results / "figures/most_doubted.png").stat().st_size > 10_000
    assert "in doubt" in (results / "index.html").read_text()
