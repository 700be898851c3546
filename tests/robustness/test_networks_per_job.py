"""However many networks a job trains: the same files, which are not made anew when that number changes."""

import pytest
import yaml
from faults import MICRO, Running, results_of
from running import Workflow

from faceflip.workflow.settings import merged

pytestmark = pytest.mark.workflow

SEVERAL = {
    "attributes": ["Smiling", "Male", "Young"],
    "networks": {"softmax": None, "moon": None},
    "experiments": {"paper": {"softmax": None, "moon": None}},
}
NETWORKS = "results/inventory/networks.json"
"""What is asked for: all networks, and the inventory of them."""
BUNDLE, ALONE = "train_network_euclidean_1", "train_network"
JOBS = {1: {ALONE: 3}, 2: {BUNDLE: 1, ALONE: 1}, 8: {BUNDLE: 1}}
"""Trainings by the number of networks a job."""


def of(folder, number, **more):
    """A run with so many networks a job."""
    overlay = merged(SEVERAL, {"compute": {"networks_per_job": number}, **more})
    path = folder / f"overlay-{number}-{len(more)}.yaml"
    path.write_text(yaml.safe_dump(overlay))
    return Workflow(folder, [MICRO, path])


def trainings(workflow, *arguments):
    return {rule: count for rule, count in workflow.planned(*arguments).items() if rule.startswith(ALONE)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run with each number, to the end."""
    made = {number: of(tmp_path_factory.mktemp(f"of-{number}"), number) for number in JOBS}
    for number, run in made.items():
        assert trainings(run, NETWORKS) == JOBS[number]
        run("--cores", 2, NETWORKS)
    return made


@pytest.mark.parametrize("number", [2, 8])
def test_the_same_files(runs, number):
    assert results_of(runs[number].directory) == results_of(runs[1].directory)
    log = (runs[number].directory / "logs/train_network/euclidean/bundles/1.log").read_text()
    assert "train euclidean/Smiling: 128 of 128 images" in log
    assert "train euclidean/Male: 128 of 128 images" in log


@pytest.mark.parametrize("made", JOBS)
@pytest.mark.parametrize("asked", JOBS)
def test_another_number_makes_nothing_anew(runs, made, asked):
    other = of(runs[made].directory, asked)
    assert other.planned(NETWORKS) == {}


@pytest.mark.parametrize("made", [1, 8])
def test_what_changes_results_makes_anew(runs, made):
    """Each alone, as the others might be as they should be."""
    other = of(runs[made].directory, 8, training={"seed": 7})
    assert trainings(other, NETWORKS) == {ALONE: 3}


def test_one_more_attribute(runs):
    longer = of(runs[8].directory, 8, attributes=["Smiling", "Male", "Young", "Bangs"])
    assert trainings(longer, NETWORKS) == {ALONE: 1}


def test_killed_in_the_third_network(runs, tmp_path):
    run = of(tmp_path, 8)
    log = tmp_path / "logs/train_network/euclidean/bundles/1.log"
    running = Running(run, "--cores", 1, NETWORKS)
    assert running.wait_until(lambda: log.exists() and "network euclidean for Young" in log.read_text())
    running.signal()
    assert not list(tmp_path.rglob("results/networks/*/*/*.pt"))
    run("--cores", 1, NETWORKS)
    assert log.read_text().count("was trained before") == 2
    assert results_of(tmp_path) == results_of(runs[8].directory)
