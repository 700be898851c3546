"""A whole run: everything is there, and every table can be computed anew from the attempts and the predictions.

The tables are recomputed here by plain loops that share no code with the library.
"""

import json
from collections import defaultdict
from itertools import product

import h5py
import numpy as np
import pandas as pd
import pass_oracle
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from faceflip.analysis.names import SIGNS
from faceflip.cli.app import app
from faceflip.data.packed import open_dataset
from faceflip.networks.checkpoint import load_checkpoint
from faceflip.networks.inference import scores
from faceflip.similarity import parameters, pass_score
from faceflip.store import open_store
from faceflip.workflow.products import FIGURES, FIGURES_DOUBT, TABLES, TABLES_DOUBT

TABLES, FIGURES = TABLES | TABLES_DOUBT, FIGURES | FIGURES_DOUBT

pytestmark = pytest.mark.workflow

TAU = 0.95
EXPERIMENT = ("sample", "network", "checkpoint", "attack")


@pytest.fixture(scope="module")
def results(tiny):
    return tiny.directory / "results"


@pytest.fixture(scope="module")
def attempts(results):
    return pd.read_parquet(results / "attempts.parquet").to_dict("records")


@pytest.fixture(scope="module")
def transfers(results):
    return pd.read_parquet(results / "transfers.parquet").to_dict("records")


def table(results, name):
    return pd.read_csv(results / f"tables/{name}.csv").to_dict("records")


def method_and_search(attack):
    method, _, search = attack.partition("-")
    return method, search


def is_adversarial(attempt, threshold=TAU):
    return attempt["flipped"] and attempt["pass"] >= threshold


def is_of_sign(attempt, sign):
    """Whether an attempt counts in rows of a sign: the misclassified ones again by whether their label is in doubt."""
    parts = {"- firm": not attempt["doubtful"], "- doubtful": attempt["doubtful"]}
    return attempt["correct"] == (sign == "+") and parts.get(sign, True)


def test_everything_is_there(results):
    expected = [f"tables/{name}.{suffix}" for name, suffix in product(TABLES, ("csv", "md", "tex", "html"))]
    expected += [f"figures/{name}.{suffix}" for name, suffix in product(FIGURES, ("pdf", "png", "txt"))]
    expected += [f"figures/dark/{name}.png" for name in FIGURES]
    expected += [
        "index.html",
        "runtime.html",
        "gallery/gallery.json",
        "README.md",
        "run.json",
        "dataset/manifest.json",
        "samples/paper.csv",
        "attempts.parquet",
    ]
    missing = [path for path in expected if not (results / path).stat().st_size]
    assert not missing


def test_the_paper_has_names_of_its_own_for_some(results):
    tables = {"table1": "flippability", "table2": "checkpoint_overlap"}
    figures = ["examples", "classification_error", "success", "transferability", "correlation"]
    named = {
        f"{name}.{suffix}": f"tables/{tables[name]}" for name, suffix in product(tables, ("csv", "md", "tex", "html"))
    }
    for (number, name), suffix in product(enumerate(figures, start=1), ("pdf", "png", "txt")):
        named[f"figure{number}.{suffix}"] = f"figures/{name}"
    links = {link.name: link for link in (results / "paper").iterdir() if link.is_symlink()}
    assert links.keys() == named.keys()
    for name, link in links.items():
        assert link.resolve() == (results / f"{named[name]}{link.suffix}").resolve()
        assert not link.readlink().is_absolute(), "results may be moved"


def test_every_page_says_that_the_faces_are_drawn(results):
    for page in [results / "README.md", *results.glob("tables/*.md"), *results.glob("tables/*.tex")]:
        assert "Synthetic faces" in page.read_text()[:400], page
    for page in [*results.glob("*.html"), *results.glob("tables/*.html")]:
        assert '<p class="run synthetic">Synthetic faces' in page.read_text(), page


def test_no_job_left_anything_half_written(tiny):
    assert not [path for path in tiny.directory.rglob("results/**/.*") if path.name != ".snakemake_timestamp"]


def test_attempts_are_complete(results, attempts):
    sample = pd.read_csv(results / "samples/paper.csv")["image"].tolist()
    seen = defaultdict(list)
    for attempt in attempts:
        assert attempt["sample"] == "paper"
        seen[attempt["network"], attempt["checkpoint"], attempt["attack"], attempt["attribute"]].append(
            attempt["image"]
        )
    assert len(seen) == 14 * 2
    assert all(images == sample for images in seen.values())


def test_attempts_agree_with_the_annotations(results, attempts):
    dataset = open_dataset(results / "dataset/faces.h5")
    train = set(dataset.rows("train").tolist())
    for attempt in attempts:
        assert attempt["image"] in train
        assert attempt["file_name"] == dataset.file_names[attempt["image"]]
        assert attempt["label"] == dataset.labels_of((attempt["attribute"],))[attempt["image"], 0]
        assert attempt["correct"] == ((attempt["score_before"] > 0) == (attempt["label"] > 0))
        if attempt["flipped"]:
            assert (attempt["score_after"] > 0) != (attempt["score_before"] > 0)
            assert attempt["outcome"] == "flipped"
            assert 0 <= attempt["linf"] <= 255
        else:
            assert attempt["outcome"] in {"zero_gradient", "max_epsilon", "saturated", "max_steps"}
            assert np.isnan([attempt["pass"], attempt["epsilon"], attempt["score_after"]]).all()


def test_flippability(results, attempts):
    rows = table(results, "flippability")
    assert {(row["network"], row["method"], row["search"]) for row in rows} >= {("moon", "ffa", "line")}
    totals = defaultdict(int)
    for row in rows:
        chosen = [
            attempt
            for attempt in attempts
            if attempt["network"] == row["network"]
            and attempt["checkpoint"] == "converged"
            and method_and_search(attempt["attack"]) == (row["method"], row["search"])
            and is_of_sign(attempt, row["sign"])
        ]
        flipped = sum(is_adversarial(attempt, row["threshold"]) for attempt in chosen)
        assert (row["total"], row["flipped"]) == (len(chosen), flipped)
        if chosen:
            assert row["rate"] == pytest.approx(flipped / len(chosen))
            assert row["low"] <= row["rate"] + 1e-12
            assert row["rate"] <= row["high"] + 1e-12
        if row["sign"] in SIGNS:
            totals[row["network"], row["method"], row["search"], row["threshold"]] += row["total"]
    assert set(totals.values()) == {2 * 12}, "attributes times images"


def test_checkpoint_overlap(results, attempts):
    rows = table(results, "checkpoint_overlap")
    assert len(rows) == 16
    for row in rows:
        assert (row["checkpoint"], row["search"]) == ("epoch2", "line")
        sets = {
            checkpoint: {
                (attempt["image"], attempt["attribute"])
                for attempt in attempts
                if (attempt["network"], attempt["checkpoint"]) == (row["network"], checkpoint)
                and attempt["attack"] == f"{row['method']}-line"
                and is_of_sign(attempt, row["sign"])
                and is_adversarial(attempt)
            }
            for checkpoint in ("epoch2", "converged")
        }
        assert row["early"] == len(sets["epoch2"])
        assert row["converged"] == len(sets["converged"])
        assert row["overlap"] == len(sets["epoch2"] & sets["converged"])


def test_success(results, attempts):
    rows = table(results, "success")
    assert len({row["attribute"] for row in rows} - {"mean"}) == 2
    for row in rows:
        chosen = [
            attempt
            for attempt in attempts
            if (attempt["network"], attempt["checkpoint"]) == (row["network"], "converged")
            and method_and_search(attempt["attack"]) == (row["method"], row["search"])
            and attempt["attribute"] == row["attribute"]
            and is_of_sign(attempt, row["sign"])
        ]
        assert (row["total"], row["adversarial"]) == (len(chosen), sum(map(is_adversarial, chosen)))


def recomputed_rates(attempts, transfers, network, checkpoint, attack):
    """Count adversarial images by source, and changed decisions by source and target."""
    images, changed = defaultdict(int), defaultdict(int)
    where = (network, checkpoint, attack)
    for attempt in attempts:
        if (attempt["network"], attempt["checkpoint"], attempt["attack"]) == where:
            images[attempt["attribute"]] += is_adversarial(attempt)
    for transfer in transfers:
        if (transfer["network"], transfer["checkpoint"], transfer["attack"]) == where:
            changed[transfer["attribute"], transfer["target"]] += transfer["changed"]
            assert transfer["changed"] == ((transfer["score_before"] > 0) != (transfer["score_after"] > 0))
    return images, changed


def test_transferability(results, attempts, transfers):
    rows = table(results, "transferability")
    for row in rows:
        images, changed = recomputed_rates(attempts, transfers, "euclidean", row["checkpoint"], "ffa-line")
        assert row["images"] == images[row["source"]]
        if row["images"]:
            assert row["changed"] == changed[row["source"], row["target"]]
            assert row["rate"] == pytest.approx(row["changed"] / row["images"])
        else:
            assert np.isnan(row["rate"]), "a column without adversarial images is empty, not zero"
    diagonal = [row["rate"] for row in rows if row["checkpoint"] == "converged" and row["source"] == row["target"]]
    assert len(diagonal) == 2
    assert all(rate == 1 for rate in diagonal if not np.isnan(rate))


def test_correlation(results, attempts, transfers):
    rows = table(results, "correlation")
    assert {row["search"] for row in rows} == {"line", "iterative"}
    for row in rows:
        images, changed = recomputed_rates(attempts, transfers, "moon", "converged", f"ffa-{row['search']}")
        assert row["images"] == images[row["source"]]
        if row["images"]:
            assert row["changed"] == changed[row["source"], row["target"]]
        if row["source"] == row["target"] and row["images"]:
            assert row["rate"] == 1


def test_classification_error(results):
    predictions = pd.read_parquet(results / "predictions.parquet")
    test = predictions[predictions["split"] == "test"].to_dict("records")
    wrong, count = defaultdict(int), defaultdict(int)
    for prediction in test:
        method = prediction["network"] + ("_epoch2" if prediction["checkpoint"] == "epoch2" else "")
        count[method, prediction["attribute"]] += 1
        wrong[method, prediction["attribute"]] += (prediction["score"] > 0) != (prediction["label"] > 0)
    assert len(count) == 2 * (2 + 2 + 40)
    rows = {(row["method"], row["attribute"]): row for row in table(results, "classification_error")}
    for key, images in count.items():
        assert (rows[key]["wrong"], rows[key]["images"]) == (wrong[key], images)
        assert rows[key]["error"] == pytest.approx(wrong[key] / images)
    for method in ("euclidean", "softmax"):
        errors = [wrong[key] / images for key, images in count.items() if key[0] == method]
        assert rows[method, "mean"]["error"] == pytest.approx(np.mean(errors))


def test_trivial_errors(results):
    dataset = open_dataset(results / "dataset/faces.h5")
    rows = {(row["method"], row["attribute"]): row["error"] for row in table(results, "classification_error")}
    for attribute in ("Smiling", "Male", "Bald", "Young"):
        labels = dataset.labels_of((attribute,))[:, 0]
        test, train = labels[dataset.rows("test")], labels[dataset.rows("train")]
        majority = 1 if (train > 0).mean() > 0.5 else -1
        assert rows["trivial_train", attribute] == pytest.approx((test != majority).mean())
        assert rows["trivial_test", attribute] == pytest.approx(min((test > 0).mean(), (test < 0).mean()))


def checkpoint_of(results, attempt):
    member = "all" if attempt["network"] == "moon" else attempt["attribute"]
    return results / f"networks/{attempt['network']}/{member}/{attempt['checkpoint']}.pt"


def experiment_of(results, path):
    """Return sample, network, checkpoint and attack of a joined view, by its place."""
    return path.relative_to(results / "attacks").with_suffix("").parts


def test_every_stored_adversarial_image_is_still_flipped(results):
    """Read back from disk and judged anew, whatever the batch size."""
    torch.set_num_threads(1)
    dataset = open_dataset(results / "dataset/faces.h5")
    judged = 0
    for path in sorted(results.glob("attacks/*/*/*/*.h5")):
        _, network, checkpoint, _ = experiment_of(results, path)
        with open_store(path) as store:
            rows = store.select(outcome="flipped")
            table = store.attempts.iloc[rows]
            images = np.stack([store.adversarial(row, dataset.images) for row in rows])
        for attribute, part in table.reset_index(drop=True).groupby("attribute"):
            attempt = {"network": network, "checkpoint": checkpoint, "attribute": attribute}
            loaded, _ = load_checkpoint(checkpoint_of(results, attempt))
            column = loaded.spec.attributes.index(attribute)
            for batch_size in (1, 7, 64):
                outputs = torch.from_numpy(scores(loaded, images[part.index], batch_size=batch_size))
                values = loaded.objective.decision_values(outputs)[:, column].numpy()
                assert ((values > 0) != (part["score_before"].to_numpy() > 0)).all(), (path, attribute, batch_size)
            judged += len(part)
    assert judged > 100


@pytest.mark.parametrize(
    "store",
    ["paper/euclidean/converged/ffa-line", "paper/softmax/epoch2/fgs-line", "paper/moon/converged/ffa-iterative"],
)
def test_exported_images_keep_their_verdict(results, tmp_path, store):
    """Adversarial images that were exported as PNG are read back to the same pixels, which are still flipped."""
    outcome = CliRunner().invoke(
        app, ["export", str(results / f"attacks/{store}.h5"), "--to", "png", "-o", str(tmp_path / "png")]
    )
    assert outcome.exit_code == 0, outcome.output
    dataset = open_dataset(results / "dataset/faces.h5")
    _, network, checkpoint, _ = store.split("/")
    table = pd.read_csv(tmp_path / "png/attempts.csv")
    with open_store(results / f"attacks/{store}.h5") as opened:
        assert len(table) == len(opened.select(outcome="flipped")) > 10
        adversarial = [opened.adversarial(row, dataset.images) for row in table["row"]]
    images = np.stack([np.asarray(Image.open(tmp_path / "png" / name)) for name in table["png"]])
    assert (images == adversarial).all()
    for attribute, part in table.groupby("attribute"):
        loaded, _ = load_checkpoint(
            checkpoint_of(results, {"network": network, "checkpoint": checkpoint, "attribute": attribute})
        )
        outputs = torch.from_numpy(scores(loaded, images[part.index], batch_size=len(part)))
        values = loaded.objective.decision_values(outputs)[:, loaded.spec.attributes.index(attribute)].numpy()
        assert ((values > 0) != (part["score_before"].to_numpy() > 0)).all()


def test_every_attack_shard_tells_its_margins(results):
    """The numerical margin of each checkpoint that was attacked stands in the store."""
    paths = list(results.glob("attacks/*/*/*/*/*.h5"))
    assert len(paths) == 14
    for path in paths:
        with open_store(path) as store:
            assert store.header.margins.keys() == store.header.checkpoint_sha256.keys()
            distance = store.attempts["score_after"].abs().min()
            assert 0 < min(store.header.margins.values()) <= distance


def test_line_searches_beside_scans(results, attempts):
    """Each attempt on the first images of the sample is repeated; a scan flips whatever the line search flips."""
    scans = pd.read_parquet(results / "scans.parquet").to_dict("records")
    sample = pd.read_csv(results / "samples/paper.csv")["image"].tolist()[:4]
    keys = ("network", "checkpoint", "attack", "attribute", "image")
    known = {tuple(map(attempt.get, keys)): attempt for attempt in attempts}
    wanted = {key for key in known if key[1] == "converged" and key[2].endswith("-line") and key[4] in sample}
    assert {tuple(map(scan.get, keys)) for scan in scans} == wanted
    assert len(scans) == len(wanted) > 20
    for scan in scans:
        attempt = known[tuple(map(scan.get, keys))]
        assert scan["flipped"] == attempt["flipped"] <= scan["scan_flipped"]
        if scan["flipped"]:
            assert scan["scan_epsilon"] <= scan["epsilon"] == attempt["epsilon"] or scan["same"]
            assert scan["same"] or scan["scan_epsilon"] < scan["epsilon"]
    counted = {(row["network"], row["attack"]): row for row in table(results, "line_search")}
    for (network, attack), row in counted.items():
        own = [scan for scan in scans if (scan["network"], scan["attack"]) == (network, attack)]
        assert row["attempts"] == len(own)
        assert row["missed"] == sum(scan["scan_flipped"] and not scan["flipped"] for scan in own)
        longer = [scan["epsilon"] / scan["scan_epsilon"] for scan in own if scan["flipped"] and not scan["same"]]
        assert row["longer"] == len(longer)
        assert not longer or row["factor_largest"] == pytest.approx(max(longer))


def test_scores_are_those_of_the_images(results, attempts):
    dataset = open_dataset(results / "dataset/faces.h5")
    for path in sorted(results.glob("attacks/*/*/*/*.h5"))[::4]:
        where = experiment_of(results, path)
        own = [attempt for attempt in attempts if tuple(map(attempt.get, EXPERIMENT)) == where]
        with open_store(path) as store:
            for row in store.select(outcome="flipped")[:3]:
                image = store.adversarial(row, dataset.images)
                assert own[row]["pass"] == pytest.approx(pass_score(dataset.images[own[row]["image"]], image), abs=1e-9)


def test_scores_say_how_they_were_made(results):
    for path in (results / "scores").rglob("*.parquet"):
        assert pd.read_parquet(path).attrs["similarity"] == {**parameters(), "color": "rgb"}, path
    for path in ("attempts.parquet", "transfers.parquet"):
        assert pd.read_parquet(results / path).attrs["similarity"] == {**parameters(), "color": "rgb"}, path


def test_scores_say_whose_they_are(results):
    for path in (results / "scores").rglob("*.parquet"):
        with open_store(results / "attacks" / path.relative_to(results / "scores").with_suffix(".h5")) as store:
            assert pd.read_parquet(path).attrs["store_sha256"] == store.seal.sha256, path


def test_scores_agree_with_opencv_and_scikit_image(results, attempts):
    """On perturbations along real gradients of trained networks."""
    dataset = open_dataset(results / "dataset/faces.h5")
    ours, theirs, settled = [], [], []
    for path in sorted(results.glob("attacks/*/*/*/*.h5")):
        where = experiment_of(results, path)
        own = [attempt for attempt in attempts if tuple(map(attempt.get, EXPERIMENT)) == where]
        with open_store(path) as store:
            for row in store.select(outcome="flipped"):
                ours.append(own[row]["pass"])
                settled.append(own[row]["alignment"] == "converged")
                original = dataset.images[own[row]["image"]]
                theirs.append(pass_oracle.score(original, store.adversarial(row, dataset.images))[0])
    ours, theirs, settled = np.array(ours), np.array(theirs), np.array(settled)
    difference = np.abs(ours - theirs)
    assert len(difference) > 100
    assert np.median(difference) <= 1e-6
    assert np.quantile(difference, 0.99) <= 2e-3
    assert np.quantile(difference[settled], 0.99) <= 1e-3
    for threshold in (0.9, 0.95, 0.99):
        # Where an alignment never settles, the last digits decide where it is after fifty steps.
        clear = settled & (np.abs(theirs - threshold) > 2e-3)
        assert ((ours >= threshold) == (theirs >= threshold))[clear].all()


def test_checkpoints_of_one_run_differ_and_know_their_epoch(results):
    history = pd.read_csv(results / "networks/euclidean/Smiling/history.csv")
    assert set(history["network"]) == {"euclidean"}
    assert set(history["member"]) == {"Smiling"}
    _, early = load_checkpoint(results / "networks/euclidean/Smiling/epoch2.pt")
    _, converged = load_checkpoint(results / "networks/euclidean/Smiling/converged.pt")
    assert (early.network, early.member, early.epoch) == ("euclidean", "Smiling", 2)
    candidates = history[history["epoch"] >= 2].set_index("epoch")["validation_error"]
    assert converged.epoch == candidates.idxmin()
    assert list(history["epoch"]) == list(range(1, len(history) + 1))


def test_the_dataset_is_readable_by_any_tool(results):
    manifest = json.loads((results / "dataset/manifest.json").read_text())
    with h5py.File(results / "dataset/faces.h5") as file:
        assert file["images"].shape == (340, 54, 44, 3)
        assert json.loads(file.attrs["manifest"]) == manifest
    assert manifest["source"] == "synthetic"
