"""Runs Snakemake, each time in a fork of a process that has imported it already: it saves seconds of each start.

Started by `running.py`, which sends one request a line as JSON and reads one exit status a line. Nothing of faceflip is
imported here: which faceflip a run uses is for its Snakefile to say.
"""

import atexit
import json
import os
import sys
import tempfile
import traceback

from snakemake.cli import main


def run(request):
    """Do what `python -m snakemake ARGUMENTS` does, in a folder, an environment, and with output to two files."""
    for number, path in enumerate((os.devnull, request["stdout"], request["stderr"])):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None
    sys.path[0] = request["folder"]
    sys.argv = ["snakemake", *request["arguments"]]
    main()


def in_a_fork(request):
    """Return the exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        run(request)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


for line in sys.stdin:
    print(json.dumps(in_a_fork(json.loads(line))), flush=True)
