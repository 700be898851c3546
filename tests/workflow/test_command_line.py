"""Snakemake as its users know it: dry runs, single targets, overlays, other directories, clear errors."""

import re
import subprocess
import sys
import time

import pytest
from running import ROOT, TINY, Workflow

pytestmark = pytest.mark.workflow


def test_the_default_before_anything_exists(tmp_path):
    jobs = Workflow(tmp_path, []).planned()
    bundles = {f"train_network_{network}_{number}" for network in ("euclidean", "softmax") for number in (1, 2)}
    trainings = {rule: count for rule, count in jobs.items() if rule.startswith("train_network")}
    assert trainings == {"train_network": 1} | dict.fromkeys(bundles, 1)
    assert jobs["predict_network"] == 3
    assert jobs["attack_shard"] == jobs["join_shards"] == jobs["score_shard"] == 14
    assert jobs["synthesize_faces"] == 1
    assert list(tmp_path.glob("results/*")) == []


@pytest.mark.slow
def test_the_papers_scale_before_any_data_exist(tmp_path):
    start = time.monotonic()
    jobs = Workflow(tmp_path, [ROOT / "workflow/presets/paper.yaml"]).planned("--quiet", "rules")
    seconds = time.monotonic() - start
    jobs = jobs or Workflow(tmp_path, [ROOT / "workflow/presets/paper.yaml"]).planned()
    assert jobs["train_network"] == 81
    assert jobs["attack_shard"] == 14 * 4
    assert "synthesize_faces" not in jobs
    assert 250 < sum(jobs.values()) < 350
    assert seconds < 30, "under ten seconds on a machine that does nothing else"


def test_a_single_target(tmp_path):
    assert Workflow(tmp_path, [TINY]).planned("results/networks/softmax/Smiling/epoch2.pt") == {
        "synthesize_faces": 1,
        "pack_dataset": 1,
        "train_network": 1,
    }


@pytest.mark.slow
def test_faults_in_the_configuration_are_told_together(tmp_path):
    overlay = tmp_path / "wrong.yaml"
    overlay.write_text("smaples: {paper: {images: 3}}\narchitecture: {width: 0}\nnetworks: {moon: {los: bce}}\n")
    workflow = Workflow(tmp_path, [overlay])
    assert workflow("--dry-run", check=False).returncode != 0
    said = workflow.said("--dry-run", check=False)
    for message in (
        "smaples: unknown key; did you mean samples?",
        "architecture.width: expected a number above 0.0, found 0",
        "networks.moon.los: unknown key; did you mean loss?",
    ):
        assert message in said
    assert "Traceback" not in said


def test_a_configuration_of_0_1_is_told_what_to_write_instead(tmp_path):
    overlay = tmp_path / "old.yaml"
    overlay.write_text("sample: {images: 3}\ntraining: {separate: {max_epochs: 4}}\n")
    said = Workflow(tmp_path, [overlay]).said("--dry-run", check=False)
    for line in ("keys of faceflip 0.1", "paper: {images: 3}", "training: {max_epochs: 4}"):
        assert line in said
    assert "Traceback" not in said


def test_results_of_0_1_are_not_mixed_with_those_of_today(tmp_path):
    (tmp_path / "results/portability").mkdir(parents=True)
    said = Workflow(tmp_path).said("--dry-run", check=False)
    assert "results of faceflip 0.1" in said
    assert "Traceback" not in said


def test_parsing_imports_nothing_heavy():
    """Each job of a cluster parses the Snakefile: all that it imports, found in its text, must be light."""
    heavy = (
        "torch",
        "torchvision",
        "pandas",
        "numba",
        "cv2",
        "matplotlib",
        "h5py",
        "scipy",
        "skimage",
        "pyarrow",
        "PIL",
    )
    texts = [path.read_text() for path in (ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk"))]
    imports = re.findall(r"^(?:from|import) faceflip.*$", "\n".join(texts), re.MULTILINE)
    assert len(imports) > 5
    code = "\n".join(["import sys", "sys.path.insert(0, 'scripts')", *imports])
    code += f"\nprint(sorted(set({heavy}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_failing_job_tells_why_and_leaves_nothing(tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(f"dataset: {{celeba: {tmp_path / 'nothing'}}}\n")
    said = Workflow(tmp_path, [TINY, overlay]).said("results/dataset/faces.h5", "--cores", 1, check=False)
    assert f"Error: {tmp_path / 'nothing'} does not exist; expected a folder or zip archive of CelebA" in said
    assert "img_align_celeba.zip     1,443,490,838 bytes" in said, "what to fetch by hand"
    assert not list(tmp_path.glob("results/dataset/*"))
