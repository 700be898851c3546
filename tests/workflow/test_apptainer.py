"""Jobs in the user's image, as `--sdm apptainer` starts them: a script stands in for Apptainer and runs them here."""

import os
import sys
from pathlib import Path

import pytest
from running import ROOT, Workflow

from faceflip.io import paths

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

STAND_IN = """#!/bin/sh
if [ "$1" = --version ]; then echo "apptainer version 1.3.6"; exit; fi
printf '%s\\n' "$*" >>"$SAID"
while [ "$1" != -c ]; do shift; done
exec bash -c "$2"
"""


def test_jobs_run_in_the_image_that_is_named(tmp_path, monkeypatch):
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "apptainer").write_text(STAND_IN)
    (programs / "apptainer").chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.setenv("SAID", str(tmp_path / "said"))
    workflow = Workflow(tmp_path, [ROOT / "tests/robustness/micro.yaml"])

    monkeypatch.setenv("FACEFLIP_IMAGE", "/images/faceflip.sif")
    workflow("synthesize_faces", "--cores", 1, "--sdm", "apptainer", "--apptainer-args=--nv")
    (line,) = (tmp_path / "said").read_text().splitlines()
    assert line.startswith("exec ")
    assert " --nv " in line
    assert " /images/faceflip.sif bash -c " in line
    assert (tmp_path / paths.SYNTHETIC).is_dir()

    monkeypatch.delenv("FACEFLIP_IMAGE")
    workflow("synthesize_faces", "--cores", 1, "--sdm", "apptainer", "--forcerun", "synthesize_faces")
    assert len((tmp_path / "said").read_text().splitlines()) == 1
