"""Runs the workflow's scripts and the command line, each in a fork of a process that has imported everything already.

Started by `entries.py`.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import cv2  # noqa: F401
import h5py  # noqa: F401
import pandas as pd  # noqa: F401
import pyarrow.parquet  # noqa: F401
import torch
from forks import serve
from snakemake.iocontainers import Namedlist

import faceflip.cli
from faceflip.networks import checkpoint  # noqa: F401
from faceflip.runtime import progress
from faceflip.store import check, view  # noqa: F401

SCRIPTS = Path(__file__).parents[2] / "scripts"


def job_of(parts):
    """Return what Snakemake hands to a script: dictionaries become its lists, whose items have names."""
    return SimpleNamespace(
        **{
            part: Namedlist(fromdict=values) if isinstance(values, dict) and part != "config" else values
            for part, values in parts.items()
        }
    )


def run_script(name, parts):
    path = SCRIPTS / f"{name}.py"
    exec(compile(path.read_text(), str(path), "exec"), {"snakemake": job_of(parts), "__name__": "__main__"})


def run_command(arguments):
    sys.argv = ["faceflip", *arguments]
    faceflip.cli.main()


def carry_out(request):
    """Run a script, or the command, with other values in `faceflip.runtime.progress`."""
    vars(progress).update(request["progress"])
    if request["script"]:
        run_script(request["script"], request["parts"])
    else:
        run_command(request["arguments"])


torch.set_num_threads(1)
serve(carry_out)
