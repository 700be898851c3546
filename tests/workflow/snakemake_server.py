"""Runs Snakemake, each time in a fork of a process that has imported it already: it saves seconds of each start.

Started by `running.py`. Nothing of faceflip is imported here: which faceflip a run uses is for its Snakefile to say.
"""

import atexit
import os
import sys
import tempfile

from forks import serve
from snakemake.cli import main


def run(request):
    """Do what `python -m snakemake ARGUMENTS` does in an environment."""
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None
    sys.path[0] = request["folder"]
    sys.argv = ["snakemake", *request["arguments"]]
    try:
        main()
    finally:
        atexit._run_exitfuncs()


serve(run)
