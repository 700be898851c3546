"""Runs the workflow's scripts and the command line, each in a fork of a process that has imported everything already.

Started by `entries.py`, which sends one request a line as JSON and reads one answer a line.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace

import cv2  # noqa: F401
import h5py  # noqa: F401
import pandas as pd  # noqa: F401
import pyarrow.parquet  # noqa: F401
import torch
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


def in_a_fork(request):
    """Return the exit status; what the child writes goes to the file `screen`."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        screen = os.open(request["screen"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(screen, 1)
        os.dup2(screen, 2)
        os.chdir(request["folder"])
        vars(progress).update(request["progress"])
        if request["script"]:
            run_script(request["script"], request["parts"])
        else:
            run_command(request["arguments"])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


torch.set_num_threads(1)
for line in sys.stdin:
    print(json.dumps(in_a_fork(json.loads(line))), flush=True)
