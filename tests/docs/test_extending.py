"""The page on extending does what it says: a folder of your own, a line of configuration each, and no edit."""

import contextlib
import hashlib
import json
import re

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from running import ROOT, Workflow, faceflip

from faceflip.errors import UserError

PAGE = ROOT / "docs/guides/extending.md"
MICRO = ROOT / "tests/robustness/micro.yaml"
WITHOUT_DEFAULTS = {
    "networks": {"euclidean": None, "softmax": None, "moon": None},
    "samples": {"paper": {"images": 4}},
    "analysis": {"tables": None, "figures": None},
}
"""And all of the package's tables and figures, in which everything of the user's must show."""
STORES = {attack: f"results/attacks/paper/hinged/converged/{attack}" for attack in ("signed", "tripling", "ffa-line")}

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def files_of_the_page():
    """Return the files that the page writes out, by path: a block of code behind a sentence that ends in its name."""
    blocks = re.findall(
        r"`([\w/.]+)`:\n\n```\w+\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(blocks) == 8
    return dict(blocks)


def digest_of_the_package():
    files = [*ROOT.glob("scripts/**/*.py"), *ROOT.glob("workflow/**/*.*"), ROOT / "Snakefile", ROOT / "config.yaml"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished run of the page, without the networks of the default."""
    folder = tmp_path_factory.mktemp("own")
    for name, text in files_of_the_page().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "less.yaml").write_text(yaml.safe_dump(WITHOUT_DEFAULTS))
    before = digest_of_the_package()
    workflow = Workflow(folder, [MICRO, folder / "mine.yaml", folder / "less.yaml"])
    workflow.plan = json.loads(
        faceflip(
            folder,
            *("plan", "--json", "--project", ROOT),
            *(word for file in workflow.configfiles for word in ("--configfile", file)),
        )
    )
    workflow.dry = workflow.planned()
    workflow("--cores", 2)
    assert digest_of_the_package() == before, "the package is left untouched"
    return workflow


def test_the_plan_counts_the_jobs(run):
    jobs = dict(run.plan["jobs"])
    assert jobs.pop("all") == 1
    assert {rule: count for rule, count in jobs.items() if count} == run.dry
    assert jobs["train_network"] == 1, "the networks of the default are gone"
    assert jobs["join_shards"] == len(STORES)


def test_the_network_is_the_users(run):
    from faceflip.networks.checkpoint import load_checkpoint

    path = "results/networks/hinged/Smiling/converged.pt"
    with contextlib.chdir(run.directory):  # references are seen from the run's folder
        network, info = load_checkpoint(path, own_code=["mine/hinge.py:Hinge", "mine/small.py:build"])
        with pytest.raises(UserError, match=r"it names code of your own, mine/small\.py:build, which would be run"):
            load_checkpoint(path, own_code=["mine/hinge.py:Hinge"])
    assert (info.network, info.member, network.spec.loss) == ("hinged", "Smiling", "mine/hinge.py:Hinge")
    assert network.layers[0].out_channels == 6, "architecture.options reach the builder"


def test_the_attacks_are_the_users(run):
    attempts = pd.read_parquet(run.directory / "results/attempts.parquet")
    assert set(attempts["attack"]) == set(STORES)
    with h5py.File(run.directory / f"{STORES['signed']}/000.h5") as store:
        assert json.loads(store.attrs["parameters"])["direction"] == "mine/signed.py:SignedFFA"
        for row in np.flatnonzero(store["flipped"][:] == 1):
            changed = store["perturbation"][row]
            assert np.abs(changed).max() == store["epsilon"][row]
    by_attack = attempts.set_index(["attack", "image"])
    for image in attempts["image"].unique():
        ours, theirs = by_attack.loc[("tripling", image)], by_attack.loc[("ffa-line", image)]
        assert ours["flipped"] >= theirs["flipped"] or ours["outcome"] == "max_epsilon"
        if ours["flipped"] and theirs["flipped"] and ours["epsilon"] == theirs["epsilon"]:
            assert ours["l2"] == theirs["l2"], "the same ray"


def test_the_similarity_is_a_column(run):
    attempts = pd.read_parquet(run.directory / "results/attempts.parquet")
    assert attempts["mean_change"].notna().equals(attempts["flipped"])
    flipped = attempts[attempts["flipped"]]
    assert (flipped["mean_change"] <= flipped["linf"]).all()
    assert "mean_change" in (run.directory / "results/tables/overview.csv").read_text().splitlines()[0]


def test_tables_and_figures_are_the_users(run):
    table = pd.read_csv(run.directory / "results/tables/largest.csv")
    assert list(table.columns) == ["network", "attack", "linf"]
    results = run.directory / "results"
    for name in ("tables/largest.md", "tables/largest.tex", "tables/largest.html", "figures/changes.pdf"):
        assert (results / name).stat().st_size > 0
    caption = (results / "figures/changes.txt").read_text()
    assert "what the eye sees and what the pixels say" in caption


def test_every_table_names_the_network_or_says_why_not(run):
    for path in sorted((run.directory / "results/tables").glob("*.md")):
        if path.stem == "label_doubt":  # of labels alone
            continue
        names = r"[Hh]inge|This run (has|attacks) no|No line search|[Nn]ot comparable"
        assert re.search(names, path.read_text()), path


def test_pages_show_them(run):
    index = (run.directory / "results/index.html").read_text()
    for shown in ("Largest change of a pixel value", "figures/changes.png", "signed", "tripling", "Hinge"):
        assert shown in index, shown
    readme = (run.directory / "results/README.md").read_text()
    assert "tables/largest.md" in readme
    assert "figures/changes.png" in readme


def test_inspect_and_check_know_them(run):
    shown = faceflip(run.directory, "inspect", f"{STORES['signed']}.h5")
    assert "signed on hinged (converged)" in shown
    assert "mine/signed.py:SignedFFA" in shown
    assert "no faults" in faceflip(run.directory, "check", "results")


def test_flip_takes_a_direction_of_ones_own(run):
    faces = sorted((run.directory / "results/synthetic/img_align_celeba").glob("*.jpg"))[:2]
    checkpoint = "results/networks/hinged/Smiling/converged.pt"
    code = ("--own-code", "mine/hinge.py:Hinge", "--own-code", "mine/small.py:build")
    option = ("--option", "direction=mine/signed.py:SignedFFA")
    printed = json.loads(faceflip(run.directory, "flip", checkpoint, *faces, "--resize", "--json", *code, *option))
    assert len(printed["images"]) == 2


def test_a_finished_run_has_nothing_to_do(run):
    assert "Nothing to be done" in run.said("--cores", 2)


@pytest.mark.parametrize(
    ("file", "remade", "left"),
    [
        ("hinge.py", {"train_network", "attack_shard"}, {"pack_dataset", "draw_sample"}),
        ("signed.py", {"attack_shard", "score_shard"}, {"train_network", "predict_network"}),
        ("change.py", {"score_shard", "collect_attempts"}, {"attack_shard", "train_network"}),
        ("largest.py", {"make_table"}, {"collect_attempts", "make_figure"}),
        ("changes.py", {"make_figure"}, {"collect_attempts", "make_table"}),
    ],
)
def test_a_changed_file_remakes_what_hangs_on_it(run, file, remade, left):
    path = run.directory / "mine" / file
    text = path.read_text()
    path.write_text(text + "\n# changed\n")
    try:
        planned = set(run.planned())
    finally:
        path.write_text(text)
    assert remade <= planned
    assert not left & planned
