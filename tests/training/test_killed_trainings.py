"""A training that is killed at any moment ends as if it had not been."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from killed import OUTPUTS, SPECS

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("killed.py")


@pytest.fixture(scope="module")
def results(tmp_path_factory, device):
    """What came of each scenario, by kind of network: how processes ended, and digests of the files that are left."""
    scripts = str(SCRIPT.parents[2] / "scripts")
    environment = {**os.environ, "PYTHONPATH": scripts, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), str(tmp_path_factory.mktemp("killed")), device]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


def test_processes_were_killed_in_many_places_and_others_finished(results, device):
    ends = {
        (kind, name): result["ends"]
        for kind, scenarios in results.items()
        for name, result in scenarios.items()
        if len(result["ends"]) > 1
    }
    assert len(ends) > (25 if device == "cpu" else 2)
    assert {kind for kind, _ in ends} == set(SPECS)
    expected = {name: [-signal.SIGKILL] * (len(end) - 1) + [0] for name, end in ends.items()}
    assert ends == expected


@pytest.mark.parametrize("kind", SPECS)
def test_every_file_has_the_bytes_of_an_uninterrupted_run(results, kind):
    expected = results[kind]["uninterrupted"]["files"]
    assert set(expected) == set(OUTPUTS)
    different = {name: result["files"] for name, result in results[kind].items() if result["files"] != expected}
    assert different == {}, "half-written or left-over files count as well"
