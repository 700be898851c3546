"""What Snakemake remakes after a change: what depends on it, and nothing else. Asked by dry runs of a finished run."""

import io
import os
import re
import shutil
import zipfile

import pytest
import yaml
from running import ROOT, Workflow

from faceflip.workflow.versions import VERSIONS

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def rules_of(workflow, *arguments):
    return set(workflow.planned(*arguments))


MODEL_FREE = {"synthesize_faces", "pack_dataset", "draw_sample"}
TRAINING = {"train_network"}
LONG = ("networks", "predictions", "attacks", "scores", "transfers")
"""Folders of results in which the files of networks, and of shards, are."""


def long_ones(paths):
    """Return those of a run's files that take long to make: those of single networks and shards."""
    return {path for path in paths if path.count("/") > 2 and path.split("/")[1] in LONG}


def of(experiment, paths):
    """Return those of a run's files that belong to an experiment, or to all with such a part: `mine`, `fgs-line`."""
    return {path for path in paths if f"/{experiment}/" in path or f"/{experiment}." in path}


def test_a_finished_run_has_nothing_to_do(tiny):
    assert "Nothing to be done" in tiny.said("--cores", 2)


def test_one_attacks_parameter(tiny):
    changed = tiny.with_overlay(attacks={"fgs-iterative": {"max_steps": 11}})
    outputs = changed.outputs()
    remade = long_ones(outputs)
    assert remade
    assert remade == of("fgs-iterative", remade)
    assert {path.split("/")[1] for path in remade} == {"attacks", "scores"}
    rules = rules_of(changed)
    assert "collect_attempts" in rules
    forbidden = MODEL_FREE | TRAINING | {"predict_network", "collect_predictions", "transfer_shard", "scan_lines"}
    assert not rules & forbidden
    assert "results/tables/classification_error.csv" not in outputs, "depends on no attack"


@pytest.mark.parametrize("attributes", [["Smiling", "Male", "Young"]])
def test_another_attribute(tiny, attributes):
    changed = tiny.with_overlay(attributes=attributes)
    outputs = changed.outputs()
    trained = {path for path in outputs if path.startswith("results/networks/") and path.endswith(".pt")}
    assert trained == {
        f"results/networks/{network}/Young/{checkpoint}.pt"
        for network in ("euclidean", "softmax")
        for checkpoint in ("epoch2", "converged")
    }
    predicted = {path for path in outputs if path.startswith("results/predictions/")}
    assert predicted == {f"results/predictions/{network}/000.parquet" for network in ("euclidean", "softmax")}
    attacked = {path for path in outputs if path.startswith("results/attacks/") and path.endswith("/001.h5")}
    shards = {path for path in outputs if path.startswith("results/attacks/") and path[-6:-3].isdigit()}
    assert shards == attacked, "only the new attribute's shard"
    assert len(attacked) == 14
    assert not rules_of(changed) & MODEL_FREE


def test_a_pass_threshold(tiny):
    changed = tiny.with_overlay(analysis={"threshold": 0.9})
    rules = rules_of(changed)
    assert "transfer_shard" in rules
    assert not rules & (MODEL_FREE | TRAINING | {"predict_network", "attack_shard", "score_shard", "collect_attempts"})


def test_the_grey_score(tiny):
    rules = rules_of(tiny.with_overlay(similarity={"color": "gray"}))
    assert {"score_shard", "collect_attempts"} <= rules
    assert not rules & (MODEL_FREE | TRAINING | {"predict_network", "attack_shard"})


def test_the_training_of_one_network(tiny):
    remade = long_ones(tiny.with_overlay(networks={"moon": {"training": {"patience": 5}}}).outputs())
    assert "results/networks/moon/all/converged.pt" in remade
    assert remade == of("moon", remade)


def test_another_network(tiny):
    """One of another loss; nothing of those that are there is made again."""
    changed = tiny.with_overlay(
        networks={"bce": {"loss": "bce"}}, experiments={"paper": {"bce": {"converged": ["ffa-line"]}}}
    )
    remade = long_ones(changed.outputs())
    assert {path for path in remade if path.endswith(".pt")} == {
        f"results/networks/bce/{attribute}/{checkpoint}.pt"
        for attribute in ("Smiling", "Male")
        for checkpoint in ("epoch2", "converged")
    }
    assert remade == of("bce", remade)
    assert not rules_of(changed) & MODEL_FREE


def test_a_second_sample(tiny):
    """Finished trainings, and the shards of the first sample, stay; the network that is attacked sees it."""
    changed = tiny.with_overlay(
        samples={"hidden": {"split": "test", "images": 6}},
        experiments={"hidden": {"euclidean": {"converged": ["ffa-line"]}}},
    )
    outputs = changed.outputs()
    remade = long_ones(outputs)
    predicted = {path for path in remade if path.startswith("results/predictions/")}
    assert predicted == {"results/predictions/euclidean/000.parquet"}
    experiment = "hidden/euclidean/converged/ffa-line"
    assert remade - predicted == {
        f"results/attacks/{experiment}.h5",
        f"results/attacks/{experiment}/000.h5",
        f"results/scores/{experiment}/000.parquet",
    }
    assert {path for path in outputs if path.startswith("results/samples/")} == {"results/samples/hidden.csv"}
    assert not rules_of(changed) & ({"synthesize_faces", "pack_dataset", "scan_lines"} | TRAINING)


def test_another_draw_of_the_sample_trains_nothing(tiny):
    """Another thousand images by a seed of the sample's own: predictions and attacks, and no network."""
    planned = tiny.with_overlay(samples={"paper": {"seed": 7}}).planned()
    assert {"draw_sample", "attack_shard", "predict_network"} <= planned.keys()
    assert planned["draw_sample"] == 1
    assert not planned.keys() & (TRAINING | {"synthesize_faces", "pack_dataset"})


def test_trainings_from_other_first_weights(tiny):
    planned = tiny.with_overlay(training={"seed": 7}).planned()
    assert planned["train_network"] == 2 + 2 + 1
    assert not planned.keys() & MODEL_FREE
    remade = long_ones(tiny.with_overlay(networks={"moon": {"training": {"seed": 7}}}).outputs())
    assert "results/networks/moon/all/converged.pt" in remade
    assert remade == of("moon", remade)


def test_other_faces_make_everything_anew(tiny):
    assert rules_of(tiny.with_overlay(synthetic={"seed": 7})) >= MODEL_FREE | TRAINING


def test_a_further_epoch_that_is_kept(tiny):
    """Its weights are gone: all networks are trained again, and what depends on them."""
    changed = tiny.with_overlay(training={"checkpoints": [2, 3]})
    planned = changed.planned()
    assert planned["train_network"] == 2 + 2 + 1
    assert planned["attack_shard"] == 14
    assert not planned.keys() & MODEL_FREE
    assert "results/networks/moon/all/epoch3.pt" in changed.outputs()


@pytest.mark.parametrize(
    "overlay",
    [
        {"compute": {"jobs_per_gpu": 3, "save_every": 5, "training_images": "never", "threads": {"score": 2}}},
        {"samples": {"paper": {"split": "train"}}, "networks": {"euclidean": {"training": {"max_epochs": 4}}}},
        {"attacks": {"ffa-line": {"max_epsilon": None}}},
        {"samples": {"paper": {"seed": 2018}}, "synthetic": {"seed": 2018}, "training": {"seed": 2018}},
    ],
    ids=["what changes no result", "what is so already", "null, which takes the default", "the run's seed for each"],
)
def test_nothing(tiny, overlay):
    assert tiny.with_overlay(**overlay).planned() == {}


@pytest.mark.parametrize(
    "touched",
    ["dataset/faces.h5", "dataset/manifest.json", "networks/moon/all/converged.pt", "attempts.parquet", "synthetic"],
)
def test_what_was_copied_or_touched(tiny, touched):
    """Dates alone change nothing; what Snakemake compares by its date all the same is looked through once more."""
    looking = {"take_inventory": 1, "write_index": 1}
    path = tiny.directory / "results" / touched
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    dates = {each: each.stat() for each in files}
    try:
        for each in files:
            each.touch()
        assert tiny.planned() == (looking if touched == "synthetic" else {})
        if path.name == "faces.h5":
            assert tiny.planned("--max-checksum-file-size", path.stat().st_size - 1) == looking
    finally:
        for each, before in dates.items():
            os.utime(each, ns=(before.st_atime_ns, before.st_mtime_ns))


class TestTheSameCelebA:
    """Moved, linked, renamed or copied: what it holds counts, not where it is, nor its dates."""

    TARGET = "results/samples/paper.csv"

    @pytest.fixture(params=["folder", "archive"])
    def packed(self, tiny, tmp_path, request):
        """A CelebA whose images are in a folder, or zipped, and a run that has packed it."""
        celeba = tmp_path / "first/celeba"
        shutil.copytree(tiny.directory / "results/synthetic", celeba)
        if request.param == "archive":
            shutil.make_archive(celeba / "img_align_celeba", "zip", celeba, "img_align_celeba")
            shutil.rmtree(celeba / "img_align_celeba")
        run = Workflow(tmp_path / "run", tiny.configfiles)
        run.directory.mkdir()
        self.of(run, celeba)(self.TARGET, "--cores", 1)
        assert self.of(run, celeba).planned(self.TARGET) == {}
        return run, celeba

    @staticmethod
    def of(run, celeba):
        return run.with_overlay(dataset={"celeba": str(celeba)})

    def test_elsewhere(self, packed, tmp_path):
        run, celeba = packed
        (tmp_path / "link").symlink_to(celeba)
        assert self.of(run, tmp_path / "link").planned(self.TARGET) == {}
        shutil.copytree(celeba, tmp_path / "copy", copy_function=shutil.copyfile)
        assert self.of(run, tmp_path / "copy").planned(self.TARGET) == {}
        celeba.rename(tmp_path / "moved")
        moved = self.of(run, tmp_path / "moved")
        assert moved.planned(self.TARGET) == {}
        shutil.rmtree(run.directory / ".snakemake/faceflip")
        assert moved.planned(self.TARGET) == {}

    def test_touched_through_and_through(self, packed):
        run, celeba = packed
        for path in [celeba, *celeba.rglob("*")]:
            path.touch()
        assert self.of(run, celeba).planned(self.TARGET) == {}

    @pytest.mark.parametrize("part", ["labels", "images"])
    def test_other_contents(self, packed, part):
        """Packed anew, also where their dates are old ones; and then no more."""
        run, celeba = packed
        images = celeba / "img_align_celeba"
        if part == "labels":
            path = celeba / "list_attr_celeba.txt"
            text = path.read_text()
            assert text.endswith((" 1\n", " -1\n"))
            changed = f"{text[:-3]}-1\n" if text.endswith("  1\n") else f"{text[:-4]}  1\n"
            self.write_with_old_date(path, changed.encode())
        elif images.is_dir():
            first, second = sorted(images.glob("*.jpg"))[:2]
            second.replace(first)
            shutil.copy2(first, second)
        else:
            path = images.with_suffix(".zip")
            with zipfile.ZipFile(path) as before:
                contents = {name: before.read(name) for name in before.namelist()}
            first, second = [name for name in sorted(contents) if name.endswith(".jpg")][:2]
            contents[first] = contents[second]
            with io.BytesIO() as memory:
                with zipfile.ZipFile(memory, "w") as after:
                    for name, content in contents.items():
                        after.writestr(name, content)
                self.write_with_old_date(path, memory.getvalue())
        changed = self.of(run, celeba)
        assert changed.planned(self.TARGET) == {"pack_dataset": 1, "draw_sample": 1}
        changed(self.TARGET, "--cores", 1)
        assert changed.planned(self.TARGET) == {}

    @staticmethod
    def write_with_old_date(path, content):
        dates = path.stat().st_atime_ns, path.stat().st_mtime_ns - 10**9
        path.write_bytes(content)
        os.utime(path, ns=dates)


PAGE = (ROOT / "docs/guides/configure.md").read_text(encoding="utf-8").partition("## What is made again")[2]
REMADE = re.findall(r"^\| `(\{.*?\})` \| (.*) \|$", PAGE.partition("\n## ")[0], re.MULTILINE)
COMPUTING = MODEL_FREE | TRAINING | {"predict_network", "attack_shard", "score_shard", "transfer_shard", "scan_lines"}


@pytest.mark.parametrize(("overlay", "listed"), REMADE, ids=[overlay for overlay, _ in REMADE])
def test_what_the_documentation_says(tiny, overlay, listed):
    """The table of docs/guides/configure.md is that of dry runs."""
    assert rules_of(tiny.with_overlay(**yaml.safe_load(overlay))) & COMPUTING == set(re.findall("`(\\w+)`", listed))


def test_the_documentation_says_enough():
    assert len(REMADE) > 12


OWN = {
    "loss.py": """
import torch
from faceflip.networks.objectives import Objective

class Hinge(Objective):
    def loss(self, scores, labels):
        return torch.relu(1 - labels * scores).sum(dim=1)
""",
    "layers.py": """
from torch import nn

def perceptron(outputs, image_size):
    width, height = image_size
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * width * height, outputs))
""",
    "direction.py": """
from faceflip.attacks.directions import Direction

class Leave(Direction):
    def output_gradient(self, scores, attempts, objective, options):
        return -attempts.decision[:, None] * objective.value_gradient(attempts.attribute, scores.shape[1])
""",
    "search.py": """
from faceflip.attacks.line import LineSearch

class Tripling(LineSearch):
    def grown(self, low):
        return 3 * low + 1
""",
    "metric.py": """
def moved(originals, perturbed):
    return (originals != perturbed).mean(axis=(1, 2, 3))
""",
    "table.py": """
import pandas as pd
from faceflip.analysis.pages import Column, Sheet

def compute(inputs, run):
    return pd.read_parquet(inputs["attempts"], columns=["moved"]).describe().reset_index()

def sheets(frame, run):
    return [Sheet("Moved", [Column("moved")], [[str(each)] for each in frame["moved"]])]
""",
    "figure.py": """
import matplotlib.pyplot as plt

def draw(inputs, run):
    return plt.figure()
""",
}
"""Code of your own by file."""

USED = {
    "synthetic": {"train": 64, "validation": 24, "test": 24},
    "samples": {"paper": {"images": 3}},
    "attributes": ["Smiling"],
    "architecture": {"width": 0.0625},
    "training": {"max_epochs": 2, "checkpoints": []},
    "networks": {
        "softmax": None,
        "moon": None,
        "mine": {"loss": "loss.py:Hinge", "architecture": {"name": "layers.py:perceptron"}},
    },
    "attacks": {
        "leave": {"direction": "direction.py:Leave", "search": "doubling"},
        "triple": {"direction": "ffa", "search": "search.py:Tripling"},
    },
    "experiments": {
        "paper": {"euclidean": {"converged": ["ffa-line", "leave"], "epoch2": None}, "mine": {"converged": ["triple"]}}
    },
    "similarity": {"metrics": {"moved": "metric.py:moved"}},
    "tables": {"moved": {"file": "table.py", "title": "Moved", "inputs": ["attempts"]}},
    "figures": {"nothing": {"file": "figure.py", "title": "Nothing", "inputs": ["moved"]}},
    "analysis": {"tables": ["success", "transferability", "trainings"], "figures": ["classification_error"]},
    "compute": {"device": "cpu"},
}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A finished run with code of your own in every place; tests must leave it as it is."""
    folder = tmp_path_factory.mktemp("own")
    for name, code in OWN.items():
        (folder / name).write_text(code)
    (folder / "mine.yaml").write_text(yaml.safe_dump(USED))
    workflow = Workflow(folder, [folder / "mine.yaml"])
    workflow("--cores", 2)
    assert workflow.planned() == {}
    return workflow


@pytest.mark.parametrize(
    ("file", "folders", "part", "products"),
    [
        ("loss.py", LONG, "mine", None),
        ("layers.py", LONG, "mine", None),
        ("direction.py", ("attacks", "scores", "transfers"), "leave", None),
        ("search.py", ("attacks", "scores", "transfers"), "triple", None),
        ("metric.py", ("scores", "transfers"), "", None),
        ("table.py", (), "", {"tables/moved", "figures/nothing", "figures/dark/nothing"}),
        ("figure.py", (), "", {"figures/nothing", "figures/dark/nothing"}),
    ],
)
def test_a_changed_file_of_ones_own(own, file, folders, part, products):
    """What depends on it is made again, and nothing else; `products` is None where nearly all tables and figures do."""
    path = own.directory / file
    there = {str(each.relative_to(own.directory)) for each in (own.directory / "results").rglob("*") if each.is_file()}
    expected = {each for each in long_ones(there) if each.split("/")[1] in folders}
    try:
        path.write_text(f"{OWN[file]}\n# changed\n")
        outputs, rules = own.outputs(), rules_of(own)
    finally:
        path.write_text(OWN[file])
    assert long_ones(outputs) == (of(part, expected) if part else expected)
    assert not rules & MODEL_FREE
    made = {each.removeprefix("results/").rpartition(".")[0] for each in outputs}
    made = {each for each in made if each.startswith(("tables/", "figures/"))}
    assert "tables/moved" in made if products is None else made == products


@pytest.mark.parametrize(
    ("stage", "rules", "untouched"),
    [
        ("train", {"train_network", "attack_shard"}, MODEL_FREE),
        ("attack", {"attack_shard", "score_shard", "join_shards"}, MODEL_FREE | TRAINING | {"predict_network"}),
        ("score", {"score_shard", "transfer_shard"}, MODEL_FREE | TRAINING | {"attack_shard", "predict_network"}),
        ("predict", {"predict_network"}, MODEL_FREE | TRAINING | {"attack_shard", "score_shard"}),
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
    """A clone's files have the date of the clone."""
    copy = tiny.with_copied_project(tmp_path)
    for path in tmp_path.rglob("*"):
        path.touch()
    said = copy.said("--cores", 1)
    assert "Nothing to be done" in said
    assert "the code of faceflip has changed" not in said


@pytest.mark.parametrize("name", ["faceflip/attacks/line.py", "attack_shard.py"])
def test_an_edited_module_or_script_is_told(tiny, tmp_path, name):
    """It makes nothing anew by itself."""
    changed = tiny.with_copied_project(tmp_path)
    with (tmp_path / "scripts" / name).open("a") as file:
        file.write("# edited\n")
    said = changed.said("--cores", 1)
    assert "Note: results/run.json: the code of faceflip has changed since" in said
    assert "Nothing to be done" in said


def test_jobs_take_the_library_beside_their_snakefile(tmp_path):
    """Whichever is installed: a job of a copy stops at what the copy alone says."""
    project, folder = tmp_path / "project", tmp_path / "run"
    project.mkdir()
    folder.mkdir()
    copied = Workflow(folder).with_copied_project(project)
    (project / "scripts/faceflip/workflow/preflight.py").write_text(
        "from faceflip.errors import UserError\n\n\n"
        "def require_images(settings):\n    pass\n\n\n"
        "def require_brought(config, names):\n    pass\n\n\n"
        "def require_attacks(config):\n    pass\n\n\n"
        "def require_networks(config):\n"
        '    raise UserError("I am the copy")\n'
    )
    said = copied.said("--cores", 1, "results/samples/paper.csv", check=False)
    assert "Error: I am the copy" in said, said
