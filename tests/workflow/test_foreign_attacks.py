"""A run whose attacks are a file of the user's and a library's: all tables and figures are made and know them."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from running import ROOT, Workflow

from faceflip.errors import UserError
from faceflip.store.reader import open_store
from faceflip.workflow.estimate import Estimate
from faceflip.workflow.preflight import require_attacks
from faceflip.workflow.products import FIGURES, TABLES
from faceflip.workflow.settings import Settings, read_config

MICRO = ROOT / "tests/robustness/micro.yaml"
OWN = '''"""Steps along the sign of the gradient, of a random length."""

import torch


def attack(network, images, decisions, steps=8, size=0.03):
    images = images.clone()
    for _ in range(steps):
        images.requires_grad_()
        loss = torch.nn.functional.cross_entropy(network(images), decisions)
        (gradient,) = torch.autograd.grad(loss, images)
        images = (images + size * torch.rand(()) * gradient.sign()).detach().clamp(0, 1)
    return images
'''
BIM = {"file": "torchattacks:BIM", "options": {"eps": 0.2, "alpha": 0.02, "steps": 10}}
ATTACKS = {
    "mine": {"file": "mine/attack.py:attack", "options": {"steps": 6}},
    "bim": BIM,
    "bim-line": {**BIM, "then": "line"},
}
OURS = ("ffa-line", "ffa-descent")
EXPERIMENTS = {"euclidean": {"converged": [*ATTACKS, *OURS]}, "moon": {"converged": ["mine", "bim-line"]}}
OVERLAY = {
    "networks": {"softmax": None},
    "attacks": {**ATTACKS, "ffa-descent": {}},
    "experiments": {"paper": EXPERIMENTS},
    "compute": {"shard_size": 6},
    "analysis": {"tables": None, "figures": None},
}


def faceflip(folder, *arguments, check=True):
    """Run the command in a folder and return what it prints."""
    command = [sys.executable, "-c", "from faceflip.cli import main; main()", *map(str, arguments)]
    paths = os.pathsep.join([str(ROOT / "scripts"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths, "COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run, and what was planned of it."""
    pytest.importorskip("torchattacks")
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "mine").mkdir()
    (folder / "mine/attack.py").write_text(OWN)
    (folder / "more.yaml").write_text(yaml.safe_dump(OVERLAY))
    workflow = Workflow(folder, [MICRO, folder / "more.yaml"])
    workflow("--cores", 2)
    return workflow


@pytest.fixture(scope="module")
def attempts(run):
    return pd.read_parquet(run.directory / "results/attempts.parquet")


pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def test_every_table_and_figure_is_made(run):
    results = run.directory / "results"
    for name in TABLES:
        for kind in ("csv", "md", "tex", "html"):
            assert (results / f"tables/{name}.{kind}").stat().st_size > 0, name
    for name in FIGURES:
        for kind in ("png", "pdf", "txt"):
            assert (results / f"figures/{name}.{kind}").stat().st_size > 0, name


def test_the_attempts_are_ordinary_ones(run, attempts):
    assert set(attempts["attack"]) == {*ATTACKS, *OURS}
    flipped = attempts[attempts["flipped"]]
    assert (flipped.groupby("attack", observed=True).size() > 0).all()
    assert (attempts["gradient_passes"] > 0).all()
    assert flipped["pass"].notna().all()
    theirs = flipped[flipped["attack"].isin(["mine", "bim"])]
    assert (theirs["epsilon"] == theirs["linf"]).all()
    assert (attempts.loc[attempts["attack"] == "mine", "steps"] == 6).all()
    assert "no faults" in faceflip(run.directory, "check", "results")


def test_the_line_is_never_larger_than_the_reference(attempts):
    keys = ["network", "checkpoint", "attribute", "image"]
    of = {name: attempts[attempts["attack"] == name].set_index(keys) for name in ("bim", "bim-line")}
    both = of["bim"].join(of["bim-line"].add_suffix("_line"), how="inner")
    both = both[both["flipped"]]
    assert len(both)
    assert both["flipped_line"].all()
    assert (both["l2_line"] <= both["l2"]).all()
    assert (both["linf_line"] <= both["linf"]).all()
    assert (both["l2_line"] < both["l2"]).any()


def test_the_best_known_is_the_smallest_of_all_attacks(run, attempts):
    table = pd.read_csv(run.directory / "results/tables/best_known.csv", dtype={"attribute": str})
    flips = attempts[attempts["flipped"]].assign(dissimilarity=1 - attempts["pass"])
    for row in table[(table["sign"] == "all") & (table["attribute"] != "all")].to_dict("records"):
        mine = flips[(flips["network"] == row["network"]) & (flips["attribute"] == row["attribute"])]
        mine = mine[mine["checkpoint"] == "converged"]
        smallest = mine.groupby("image")[row["size"]].min()
        assert row["flipped"] == len(smallest)
        if len(smallest):
            assert row["median"] == pytest.approx(smallest.median())
    shares = pd.read_csv(run.directory / "results/tables/optimality.csv")
    pooled = shares[(shares["network"] == "euclidean") & (shares["attribute"] == "all") & (shares["size"] == "l2")]
    assert set(pooled["attack"]) == {*ATTACKS, *OURS}
    assert pooled.set_index("attack")["optimality"].idxmax() == "ffa-descent"


def test_tables_put_them_under_their_kinds(run):
    """An attack as it is under `reference`, with a line search behind it under `line`, beside our own."""
    table = pd.read_csv(run.directory / "results/tables/success.csv")
    kinds = {tuple(row) for row in table[["method", "search"]].drop_duplicates().itertuples(index=False)}
    assert kinds == {
        ("mine", "reference"),
        ("bim", "reference"),
        ("bim", "line"),
        ("ffa", "line"),
        ("ffa-descent", "minimal"),
    }
    page = (run.directory / "results/tables/flippability.md").read_text()
    assert "bim: torchattacks:BIM of torchattacks 3" in page
    assert "mine: mine/attack.py:attack, rounded to whole pixel values" in page


def test_pages_and_stores_say_what_they_are(run):
    readme = (run.directory / "results/README.md").read_text()
    assert "Attack mine: file mine/attack.py:attack, steps 6" in readme
    assert "Attack bim: file torchattacks:BIM, library torchattacks 3" in readme
    with open_store(run.directory / "results/attacks/paper/euclidean/converged/bim-line.h5") as store:
        parameters = dict(store.header.parameters)
    assert parameters.pop("library").startswith("torchattacks 3")
    expected = {**ATTACKS["bim-line"], "batch_size": 32, "max_epsilon": 255, "epsilon_tolerance": 0}
    assert parameters == expected
    shown = faceflip(run.directory, "inspect", "results/attacks/paper/euclidean/converged/mine.h5")
    assert "mine/attack.py:attack" in shown


def test_shards_of_another_size_have_the_same_attempts(run, attempts, tmp_path_factory):
    """In another folder with what was trained here."""
    folder = tmp_path_factory.mktemp("other")
    (folder / "mine").symlink_to(run.directory / "mine")
    (folder / "results").mkdir()
    for part in ("synthetic", "dataset", "samples", "networks"):
        subprocess.run(["cp", "-a", run.directory / "results" / part, folder / "results"], check=True)
    subprocess.run(["cp", "-a", run.directory / ".snakemake", folder], check=True)
    (folder / "size.yaml").write_text("compute: {shard_size: 4}")
    other = Workflow(folder, [*run.configfiles, folder / "size.yaml"])
    other("--cores", 2, "results/attacks/paper/euclidean/converged/mine.h5")
    assert not (folder / "results/networks/euclidean/other").exists()
    with open_store(folder / "results/attacks/paper/euclidean/converged/mine.h5") as store:
        table, changes = store.attempts, [store.perturbation(row) for row in np.flatnonzero(store.attempts["flipped"])]
    with open_store(run.directory / "results/attacks/paper/euclidean/converged/mine.h5") as store:
        pd.testing.assert_frame_equal(table, store.attempts)
        for row, change in zip(np.flatnonzero(table["flipped"]), changes, strict=True):
            np.testing.assert_array_equal(change, store.perturbation(row))


def test_a_finished_run_has_nothing_to_do_and_a_changed_file_remakes_its_attempts(run):
    assert "Nothing to be done" in run.said("--cores", 2)
    path = run.directory / "mine/attack.py"
    path.write_text(OWN + "\n# changed\n")
    try:
        planned = run.planned()
    finally:
        path.write_text(OWN)
    assert planned["attack_shard"] == 2, "a shard on each of two networks"
    assert not {"train_network", "pack_dataset"} & planned.keys()


def test_flip_takes_them_by_name(run):
    faces = sorted((run.directory / "results/synthetic/img_align_celeba").glob("*.jpg"))[:2]
    call = ("flip", "results/networks/euclidean/Smiling/converged.pt", *faces, "--resize")
    own = (*call, "--attack", "mine/attack.py:attack", "--option", "steps=30")
    told = json.loads(faceflip(run.directory, *own, "--json", "-o", "flipped"))
    assert told["attack"] == "mine/attack.py:attack"
    assert {each["outcome"] for each in told["images"]} <= {"flipped", "max_steps"}
    assert all(each["steps"] == 30 for each in told["images"])
    for each in told["images"]:
        assert each["file"] is None or each["file"].endswith("-Smiling-attack.png")
    library = (*call, "--attack", "torchattacks:BIM", "--option", "eps=0.3", "--option", "then=line")
    shown = faceflip(run.directory, *library)
    assert "Smiling by torchattacks:BIM" in shown
    said = faceflip(run.directory, *call, "--attack", "torchattacks:BIM", "--option", "epsilon=0.3", check=False)
    assert "torchattacks:BIM: cannot be called with the options epsilon" in said
    assert "did you mean eps?" in said


def settings_with(**attacks):
    return {**read_config(ROOT, [MICRO]), "attacks": attacks, "experiments": {}}


def test_the_plan_counts_the_passes_that_options_name():
    config = settings_with(few={**BIM, "options": {"steps": 10}}, many={**BIM, "options": {"steps": 90}}, unknown=BIM)
    config["experiments"] = {"paper": {"moon": {"converged": ["few", "many", "unknown"]}}}
    estimate = Estimate.of(Settings.of(config))
    few, many, unknown = (estimate.attack(each) for each in estimate.plan.experiments)
    assert 7 < many / few < 9
    assert few == unknown, "its options say ten, too"
    assert not estimate.plan.scanned


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        ({"file": "mine.py"}, "attacks.mine: file: 'mine.py' names no attack"),
        ({"file": "nowhere/mine.py:f"}, "attacks.mine.file: nowhere/mine.py: no such file; paths are seen from"),
        (
            {"file": "adv_libb.attacks:f"},
            "attacks.mine: file: adv_libb.attacks:f: the package adv_libb is not",
        ),
        ({**BIM, "search": "scan"}, "attacks.mine: search: an attack by file goes its own way"),
        ({**BIM, "max_steps": 3}, "attacks.mine.max_steps: unknown key"),
        ({**BIM, "max_epsilon": 3}, "attacks.mine.max_epsilon: unknown key"),
        ({**BIM, "then": "lines"}, "attacks.mine.then: 'lines' is none of line"),
        ({**BIM, "optoins": {}}, "attacks.mine.optoins: unknown key; did you mean options?"),
        ({**BIM, "options": [3]}, "attacks.mine.options: expected a mapping of keys to values"),
        ({"direction": "ffa", "search": "doubling", "options": {}}, "attacks.mine.options: unknown key"),
        ({"direction": "ffa", "search": "doubling", "then": "line"}, "attacks.mine.then: unknown key"),
        ({"direction": "ffa", "search": "reference"}, "attacks.mine: there is no search 'reference'"),
    ],
)
def test_faults_of_the_configuration(attack, message):
    with pytest.raises(UserError) as error:
        Settings.of(settings_with(mine=attack))
    assert message in str(error.value)


def test_two_attacks_of_one_name_and_kind_are_told():
    with pytest.raises(UserError, match="tables call it bim by line, as they do bim; call it otherwise"):
        Settings.of(settings_with(**{"bim": {**BIM, "then": "line"}, "bim-line": {**BIM, "then": "line"}}))


def test_what_does_not_fit_is_told_of_all_before_anything_is_spent(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("def attack(network, images, decisions):\n    return images\n")
    attacks = {
        "good": {"file": "mine.py:attack"},
        "missing": {"file": "mine.py:attak"},
        "unfitting": {"file": "mine.py:attack", "options": {"steps": 3}},
    }
    with pytest.raises(UserError) as error:
        require_attacks(settings_with(**attacks))
    first, second = str(error.value).splitlines()
    assert first == "attacks.missing: mine.py:attak: mine.py has no 'attak'; did you mean attack?"
    assert second.startswith("attacks.unfitting: mine.py:attack: cannot be called with the options steps: ")
    require_attacks(settings_with(good=attacks["good"]))
