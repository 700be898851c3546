"""The profile for Grid Engine on one that the test brings up: some of the workflow, and a job that is deleted."""

import pytest
from faults import MICRO, Running, assert_same_as_far_as_it_went
from gridengine import GridEngine, why_not
from jobs import SAMPLE
from running import ROOT, Workflow

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

PROFILE = ROOT / "workflow/profiles/gridengine"


@pytest.fixture
def grid(tmp_path_factory):
    pytest.importorskip("snakemake_executor_plugin_cluster_generic", reason="needs the plugin cluster-generic")
    if reason := why_not():
        pytest.skip(f"no Grid Engine: {reason}")
    with GridEngine(tmp_path_factory.mktemp("grid")) as grid:
        yield grid


def test_a_sample_with_a_deleted_job(grid, micro, tmp_path):
    workflow = Workflow(tmp_path, [MICRO])
    run = Running(workflow, "--profile", PROFILE, SAMPLE)
    assert run.wait_until(lambda: grid.running("pack_dataset")), run.said
    grid.cancel(grid.running("pack_dataset")[0])
    assert run.wait() == 0, run.said
    assert "Trying to restart job" in run.said
    assert_same_as_far_as_it_went(workflow, micro)
    assert (tmp_path / SAMPLE).exists()
