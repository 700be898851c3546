"""Runs Snakemake, each time in a fork of a process that has imported it already: it saves seconds of each start.

Its jobs are forks as well, of `job_server.py`, which save more: most of a small job's time is the import of PyTorch.
Started by `running.py`. Nothing of faceflip is imported here: which faceflip a run uses is for its Snakefile to say.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from forks import serve, use_environment
from snakemake.cli import main
from snakemake.script import PythonScript

HERE = Path(__file__).parent


def run(request):
    """Do what `python -m snakemake ARGUMENTS` does in an environment."""
    use_environment(request["environment"])
    sys.path[0] = request["folder"]
    sys.argv = ["snakemake", *request["arguments"]]
    main()


def start_jobs_by(address):
    """Have Snakemake start the client of the server of jobs where it would start Python."""
    execute = PythonScript._execute_cmd

    def execute_(script, command, **values):
        if values.get("is_python_script") and values["py_exec"] == sys.executable:
            values["py_exec"] = f"{sys.executable} -IS {HERE / 'job_client.py'} {address}"
        return execute(script, command, **values)

    PythonScript._execute_cmd = execute_


# Not a TemporaryDirectory, which the end of the first fork would remove.
place = Path(tempfile.mkdtemp())
try:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "jobs"))
        listener.listen()
        command = [sys.executable, HERE / "job_server.py", str(listener.fileno())]
        # How many threads a job has is said by itself; what is imported before must not start any.
        threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
        options = {"stdin": subprocess.PIPE, "pass_fds": [listener.fileno()], "env": {**os.environ, **threads}}
        with subprocess.Popen(command, **options):
            start_jobs_by(listener.getsockname())
            serve(run)
finally:
    shutil.rmtree(place)
