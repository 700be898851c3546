"""`faceflip plan` counts the jobs that Snakemake would run."""

import pytest
from running import ROOT, TINY, Workflow

from faceflip.workflow.config import read_config
from faceflip.workflow.estimate import Estimate

pytestmark = pytest.mark.workflow


@pytest.mark.parametrize(
    "overlays", [(), (TINY,), (ROOT / "workflow/presets/paper.yaml",)], ids=["default", "tiny", "paper"]
)
def test_as_many_jobs_as_snakemake_plans(tmp_path, overlays):
    jobs = Estimate.of(read_config(ROOT, overlays)).jobs()
    assert jobs.pop("all") == 1
    assert Workflow(tmp_path, overlays).planned() == jobs
