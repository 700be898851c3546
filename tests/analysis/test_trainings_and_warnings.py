"""How trainings ended, and what a reader is to know before the numbers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from store_builder import Builder

from faceflip.analysis.frames import read_csv
from faceflip.analysis.run import RunTuning
from faceflip.analysis.tables import warnings
from faceflip.analysis.tables.trainings import compute, sheets, trainings
from faceflip.training.hyperparameters import TrainingOptions

FALLING = [0.30, 0.25, 0.22, 0.20, 0.19]


def history(member: str, validation: list[float], network: str = "euclidean") -> pd.DataFrame:
    epochs = np.arange(1, len(validation) + 1)
    about = {"network": network, "member": member, "epoch": epochs, "training_error": np.array(validation) / 2}
    return pd.DataFrame(about | {"validation_error": validation})


def capped(run, epochs: int = 5):
    networks = tuple(replace(each, training=each.training | {"max_epochs": epochs}) for each in run.networks)
    return replace(run, networks=networks)


def test_a_training_ends_by_the_cap_or_by_patience(made):
    run = capped(made.run)
    table = trainings(
        [
            history("Young", FALLING),
            history("Male", [0.2, 0.1, 0.3, 0.3, 0.3]),
            history("Bald", [0.1, 0.2, 0.15, 0.12, 0.2]),
            history("all", [0.3, 0.2, 0.2, 0.25, 0.3], "moon"),
        ],
        run,
    ).set_index("member")
    assert list(table.index) == ["Bald", "Male", "Young", "all"]
    # Epoch 1 cannot count as converged; of equals the earliest is kept; the cap of five ends what patience does not.
    assert table["kept"].to_dict() == {"Bald": 4, "Male": 2, "Young": 5, "all": 2}
    assert table["ended"].to_dict() == {"Bald": "cap", "Male": "patience", "Young": "cap", "all": "patience"}
    row = table.loc["Bald"]
    assert row[["validation_error", "training_error"]].tolist() == [0.12, 0.06]
    assert row[["last_validation_error", "last_training_error"]].tolist() == [0.2, 0.1]


def test_every_training_of_a_run_has_a_row(made, tmp_path):
    table = compute(made.write(tmp_path), made.run)
    assert len(table) == len(made.histories) == len(table.drop_duplicates(["network", "member"]))
    for row in table.to_dict("records"):
        kept = made.histories[f"{row['network']}/{row['member']}"]
        errors = kept["validation_error"].tolist()
        options = TrainingOptions(**made.run.network(row["network"]).training)
        assert options.finished(errors)
        assert not options.finished(errors[:-1])
        assert row["validation_error"] == min(errors[1:])
        assert (row["ended"] == "patience") == (min(errors[1:]) not in errors[-3:])
    (sheet,) = sheets(table, made.run)
    assert len(sheet.rows) == len(table)


def test_the_cap_of_epochs_is_told(made):
    run = capped(made.run)
    table = trainings([history("Young", FALLING), history("Bald", [0.3, 0.1, 0.2, 0.2, 0.2])], run)
    (found,) = warnings.of_trainings(table, run)
    assert (found.kind, found.network, found.count, found.of) == ("cap", "euclidean", 1, 2)
    assert (
        "cap of 5 epochs ended 1 of 2 trainings, 1 of them with the lowest validation error in the last" in found.text
    )
    assert not list(warnings.of_trainings(table.assign(ended="patience"), run))


def test_one_answer_for_all_is_told(made):
    predictions = made.predictions.copy()
    usual = list(warnings.of_answers(predictions, made.run))
    chosen = (predictions["network"] == "moon") & predictions["attribute"].isin(["Bald", "Young"])
    predictions.loc[chosen, "score"] = np.where(predictions.loc[chosen, "attribute"] == "Bald", -1.0, 2.0)
    found = [each for each in warnings.of_answers(predictions, made.run) if each.network == "moon"]
    constant = {
        name
        for name, scores in predictions.query(
            "network == 'moon' and checkpoint == 'converged' and split == 'test'"
        ).groupby("attribute")["score"]
        if (scores > 0).all() or (scores <= 0).all()
    }
    (moon,) = found
    assert constant >= {"Bald", "Young"}
    assert (moon.kind, moon.count, moon.of) == ("constant", len(constant), len(made.run.network("moon").attributes))
    assert moon.text.startswith(f"MOON: one answer for every test image on {len(constant)} of 8 attributes (")
    assert len(usual) <= 3


@pytest.mark.parametrize(("share", "told"), [(0.04, False), (0.05, False), (0.06, True), (0.34, True)])
def test_the_cap_of_steps_is_told_from_a_share_on(made, share, told):
    chosen = (made.attempts["network"] == "moon") & (made.attempts["attack"] == "ffa-iterative")
    attempts = made.attempts[chosen].iloc[:100].assign(outcome="flipped", steps=7)
    stopped = np.arange(100) < 100 * share
    attempts.loc[stopped, ["outcome", "steps"]] = ["max_steps", 40]
    found = list(warnings.of_attempts(attempts, made.run))
    assert bool(found) == told
    if told:
        assert f"MOON, converged: the cap of 40 steps ended {share:.1%} of ffa-iterative's attempts" in found[0].text
        assert (found[0].count, found[0].of) == (round(100 * share), 100)


def test_scores_that_are_not_finite_are_told(made):
    attempts = made.attempts.query("network == 'moon' and attack == 'ffa-line'").iloc[:50].assign(outcome="flipped")
    assert not list(warnings.of_attempts(attempts, made.run))
    attempts.iloc[:2, attempts.columns.get_loc("outcome")] = "not_finite"
    (found,) = warnings.of_attempts(attempts, made.run)
    assert (found.kind, found.count, found.of) == ("not_finite", 2, 50)


def test_what_the_stores_say_is_told_once(made, tmp_path):
    """A joined view has the warnings of its shards; a sentence of several attacks and members is one warning."""
    sentence = "scores look like probabilities: attacks need those before the last sigmoid or softmax"
    build = Builder(tmp_path)
    stores = [
        build.view(f"results/{attack}", 2, attack=attack, warnings={member: [sentence] for member in members})
        for attack, members in (("ffa-line", ("Smiling", "Young")), ("fgs-line", ("Young",)), ("ffa-iterative", ()))
    ]
    (found,) = warnings.of_stores(stores, made.run)
    assert found.text.endswith(f"converged (Smiling, Young): {sentence} (found by ffa-line, fgs-line)")
    assert (found.kind, found.network, found.count) == ("suspicious", "euclidean", 2)
    assert not list(warnings.of_stores(stores, made.run, {("euclidean", sentence)})), "told before the attacks already"
    assert list(warnings.of_stores(stores, made.run, {("moon", sentence)})), "of another network"


def test_stores_on_networks_that_were_fine_tuned_warn_by_their_titles(made, tmp_path):
    about = {"source_group": "moon", "checkpoint": "converged", "diet": "hard", "share": 0.5, "epochs": 1}
    about |= {"sample": "harden", "attack": "ffa-line", "attributes": ("Male",), "attacked": ("Male",)}
    tunings = (
        RunTuning("firm-seed2", "firm", "MOON, hard", 2, "moon", **about),
        RunTuning("own", "own", "apart, hard", None, "euclidean", **about),
    )
    run, build = replace(made.run, tunings=tunings), Builder(tmp_path)
    stores = [
        build.view(f"results/{name}", 1, network=name, checkpoint="tuned", warnings={member: ["odd"]})
        for name, member in (("firm-seed2", "all"), ("own", "Male"))
    ]
    assert [found.text.partition(" (found")[0] for found in warnings.of_stores(stores, run)] == [
        "MOON, hard, seed 2, tuned: odd",
        "Apart, hard, tuned (Male): odd",
    ]


def test_what_was_found_when_a_network_was_brought_is_told(made):
    found = pd.DataFrame({"network": ["moon"], "text": ["the sign of Male looks inverted"]})
    (told,) = warnings.of_preflights(found, made.run)
    assert told.text == "MOON: the sign of Male looks inverted (found when it was brought)"
    assert (told.kind, told.network, told.checkpoint) == ("suspicious", "moon", "given")


def test_a_run_without_warnings_says_so(made):
    (sheet,) = warnings.sheets(pd.DataFrame(columns=warnings.Warned._fields), made.run)
    assert sheet.rows == []
    assert sheet.notes == ["This run has no warnings."]


def test_an_empty_table_is_read_as_one(tmp_path):
    pd.DataFrame(columns=warnings.Warned._fields).to_csv(tmp_path / "warnings.csv", index=False)
    assert list(read_csv(tmp_path / "warnings.csv")["text"]) == []
