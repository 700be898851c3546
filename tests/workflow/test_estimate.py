"""`faceflip plan` counts the jobs that Snakemake would run."""

import pytest
import yaml
from running import ROOT, TINY, Workflow

from faceflip.workflow.estimate import Estimate
from faceflip.workflow.settings import Settings, read_config

pytestmark = pytest.mark.workflow

OWN = {
    "samples": {"few": {"images": 5}},
    "networks": {"euclidean": None, "bce": {"loss": "bce", "per": "all"}},
    "training": {"checkpoints": [1, 3]},
    "experiments": {
        "paper": {"softmax": {"epoch2": None, "epoch3": ["fgs-line"]}, "bce": {"epoch1": ["ffa-iterative"]}},
        "few": {"bce": {"converged": ["ffa-line"]}},
    },
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "overlays",
    [(), (TINY,), (ROOT / "workflow/presets/paper.yaml",), (TINY, OWN), ({"compute": {"networks_per_job": 3}},)],
    ids=["default", "tiny", "paper", "own", "together"],
)
def test_as_many_jobs_as_snakemake_plans(tmp_path, overlays):
    files = []
    for overlay in overlays:
        if isinstance(overlay, dict):
            (tmp_path / "own.yaml").write_text(yaml.safe_dump(overlay))
            overlay = tmp_path / "own.yaml"
        files.append(overlay)
    jobs = Estimate.of(Settings.of(read_config(ROOT, files))).jobs()
    assert jobs.pop("all") == 1
    assert Workflow(tmp_path, files).planned() == jobs
