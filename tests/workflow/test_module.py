"""Another workflow in a folder of its own that has this one as a module, with a prefix before all its files."""

import json
import os
import re

import pandas as pd
import pytest
import yaml
from running import ROOT, Workflow, in_a_fork, plain_environment
from typer.testing import CliRunner

from faceflip.cli.app import app
from faceflip.data.synthetic import write_celeba
from faceflip.io.inventory import find_damage
from faceflip.store import open_store
from faceflip.workflow.jobs import jobs_from_nothing, rules_of, targets
from faceflip.workflow.network_settings import merged
from faceflip.workflow.plan import Plan
from faceflip.workflow.settings import Settings, read_config

pytestmark = pytest.mark.workflow

PREFIX = "faces"
SNAKEFILE = """
configfile: "config/host.yaml"


rule all:
    input:
        "summary.txt",


module faceflip:
    snakefile:
        "{project}/Snakefile"
    config:
        config["faceflip"]
    prefix:
        "{prefix}"


use rule * from faceflip as faceflip_*


rule summarise:
    input:
        errors="{prefix}/results/tables/success.csv",
    output:
        "summary.txt",
    script:
        "scripts/summarise.py"
"""
SUMMARISE = """
from pathlib import Path

Path(snakemake.output[0]).write_text(f"{len(Path(snakemake.input.errors).read_text().splitlines())} lines")
"""
SMALL = {
    "synthetic": {"train": 64, "validation": 24, "test": 24, "mislabelled": 0.01},
    "samples": {"paper": {"images": 6}},
    "attributes": ["Smiling", "Male"],
    "architecture": {"width": 0.0625},
    "training": {"max_epochs": 2},
    "networks": {"softmax": None, "moon": None},
    "experiments": {"paper": {"euclidean": {"converged": ["ffa-line"], "epoch2": []}}},
    "compute": {"device": "cpu"},
    "analysis": {"tables": ["success"], "figures": ["examples"]},
}
"""Every stage that does not ask for a second network, in few and short jobs."""


class Host:
    """The other workflow, started in its own folder as its users would."""

    def __init__(self, folder, config=SMALL):
        self.folder = folder
        for name, text in {
            "Snakefile": SNAKEFILE.format(project=ROOT, prefix=PREFIX),
            "scripts/summarise.py": SUMMARISE,
            "config/host.yaml": yaml.safe_dump({"faceflip": config, "of the host": {"title": "Faces"}}),
        }.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)

    def __call__(self, *arguments, check=True):
        result = in_a_fork(list(map(str, arguments)), self.folder, plain_environment())
        said = result.stdout + result.stderr
        assert not (check and result.returncode), said[-8000:]
        return said

    def planned(self, *arguments):
        """Return the numbers of jobs by rule, and the outputs, that a dry run announces."""
        said = self(*arguments, "--dry-run")
        counts = re.findall(r"^(\w+) +(\d+)$", said.partition("Job stats:")[2].partition("\n\n")[0], re.MULTILINE)
        outputs = re.findall(r"Missing output files: ([^;\n]*)", said)
        return {rule: int(count) for rule, count in counts}, {each for line in outputs for each in line.split(", ")}


def planned_alone(config):
    """Return the plan of the same configuration over config.yaml."""
    return Plan(Settings.of(merged(read_config(ROOT), config)))


def test_a_whole_run_below_the_prefix(tmp_path):
    """It has the jobs and the files that it would have alone, as its configuration is laid over config.yaml."""
    plan = planned_alone(SMALL)
    jobs, outputs = Host(tmp_path).planned("faceflip_all")
    assert jobs.pop("total") == sum(jobs.values())
    assert jobs == {f"faceflip_{rule}": count for rule, count in jobs_from_nothing(plan).items()}
    assert {f"{PREFIX}/{file}" for file in targets(rules_of(plan))} <= outputs
    assert all(file.startswith(f"{PREFIX}/results/") for file in outputs)
    assert not (tmp_path / PREFIX).exists()


def test_the_host_s_first_rule_stays_its_target(tmp_path):
    jobs, outputs = Host(tmp_path).planned()
    assert {"all", "summarise", "faceflip_make_table", "faceflip_attack_shard"} <= set(jobs)
    assert not {"faceflip_all", "faceflip_write_index"} & set(jobs)
    assert "summary.txt" in outputs


def test_files_of_the_user_s_are_seen_from_the_host_s_folder(tmp_path):
    """Those that a configuration names have no prefix; the record of what is packed is the module's own."""
    write_celeba(tmp_path / "celeba", train=3, validation=1, test=1, seed=1)
    (tmp_path / "hinge.py").write_text("from faceflip.networks.objectives import BinaryCrossEntropy as Own\n")
    (tmp_path / "results/portability").mkdir(parents=True)  # the host's; faceflip 0.1 had such a folder
    networks = {**SMALL["networks"], "euclidean": {"loss": "hinge.py:Own"}}
    config = {**SMALL, "dataset": {"celeba": "celeba"}, "networks": networks}
    said = Host(tmp_path, config)("faceflip_all", "--dry-run")
    assert "faceflip_synthesize_faces" not in said
    assert "faceflip_train_network_euclidean_1" in said, "whose missing inputs would be told"
    assert json.loads((tmp_path / PREFIX / ".snakemake/faceflip/source.json").read_text())["contents"]
    assert not (tmp_path / ".snakemake/faceflip").exists()


def test_two_modules_beside_each_other(tmp_path):
    """Each with its own configuration and prefix."""
    host = Host(tmp_path)
    module = SNAKEFILE[SNAKEFILE.index("module") : SNAKEFILE.index("rule summarise")]
    second = module.format(project=ROOT, prefix="others").replace('config["faceflip"]', "{}")
    second = second.replace("module faceflip:", "module more:").replace("faceflip as faceflip_*", "more as more_*")
    with (tmp_path / "Snakefile").open("a") as file:
        file.write(second)
    samples = [f"{prefix}/results/samples/paper.csv" for prefix in (PREFIX, "others")]
    said = host(*samples, "--dry-run")
    assert all(f"Missing output files: {sample}" in said for sample in samples)
    images = (SMALL["samples"]["paper"]["images"], read_config(ROOT)["samples"]["paper"]["images"])
    assert {f"Drawing {count} images" for count in images} == set(re.findall(r"Drawing \d+ images", said))


def test_faults_of_the_module_s_configuration_are_told(tmp_path):
    said = Host(tmp_path, {"smaples": {"paper": {"images": 3}}})("--dry-run", check=False)
    assert "smaples: unknown key; did you mean samples?" in said
    assert "Traceback" not in said


def test_a_snakefile_without_its_library_is_refused(tmp_path):
    """As by a host that names it on GitHub, of which Snakemake fetches single files."""
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone/Snakefile").write_bytes((ROOT / "Snakefile").read_bytes())
    host = Host(tmp_path)
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(project="alone", prefix=PREFIX))
    assert f"{tmp_path}/alone: the library of faceflip is not beside this Snakefile" in host("-n", check=False)


def test_from_a_folder_elsewhere(tmp_path):
    """The Snakefile by its path, seen from the working directory, in which the results would be."""
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL))
    arguments = ["-n", "-s", os.path.relpath(ROOT / "Snakefile", tmp_path), "--configfile", "small.yaml"]
    result = in_a_fork(arguments, tmp_path, plain_environment())
    assert result.returncode == 0, result.stderr
    assert re.search(rf"^total +{sum(jobs_from_nothing(planned_alone(SMALL)).values())}$", result.stdout, re.MULTILINE)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A host's folder in which both its own target and the whole of the module have been made."""
    host = Host(tmp_path_factory.mktemp("host"))
    host("all", "faceflip_all", "--cores", os.cpu_count())
    return host


@pytest.mark.slow
def test_what_a_run_leaves_below_the_prefix(finished):
    """Everything that it makes alone, whole by its inventories, which know the files without the prefix."""
    assert re.fullmatch(r"\d+ lines", (finished.folder / "summary.txt").read_text())
    results = finished.folder / PREFIX / "results"
    made = {str(path.relative_to(results.parent)) for path in results.rglob("*")}
    assert set(targets(rules_of(planned_alone(SMALL)))) <= made
    damage, compared = find_damage(results)
    assert (damage, compared > 50) == ([], True)
    assert {path.name for path in finished.folder.iterdir()} == {
        *(PREFIX, "Snakefile", "scripts", "config", "summary.txt", ".snakemake")
    }
    assert {path.name for path in results.parent.iterdir()} == {"results", "logs"}


@pytest.mark.slow
def test_pages_find_what_they_are_made_from(finished):
    results = finished.folder / PREFIX / "results"
    assert "attack_shard" in (results / "runtime.html").read_text()
    assert all(path.exists() for path in (results / "paper").iterdir())
    checked = CliRunner().invoke(app, ["check", str(results)])
    assert checked.exit_code == 0, checked.output
    with open_store(results / "attacks/paper/euclidean/converged/ffa-line.h5") as opened:
        assert len(opened) == 12 == len(pd.read_parquet(results / "attempts.parquet"))


@pytest.mark.slow
def test_a_finished_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished("all", "faceflip_all", "--dry-run")


@pytest.mark.slow
def test_its_files_have_the_bytes_of_a_run_alone(finished, tmp_path):
    """Looked at in the samples and networks; what comes later rests on them."""
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL))
    file = "results/networks/euclidean/Male/converged.pt"
    Workflow(tmp_path, [tmp_path / "small.yaml"])(file, "results/samples/paper.csv", "--cores", os.cpu_count())
    for each in (file, "results/samples/paper.csv"):
        assert (tmp_path / each).read_bytes() == (finished.folder / PREFIX / each).read_bytes()
