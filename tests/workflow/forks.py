"""A program that does what it is asked for in forks of itself, so that what it has imported is imported once.

Requests and exit statuses are lines of JSON. `Server` is the side that asks; the program calls `serve` at its end.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback


class Server:
    """A running program, asked for one thing after the other."""

    def __init__(self, program, environment):
        command = [sys.executable, program]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(command, **pipes, text=True, env=environment)

    def ask(self, folder, stdout, stderr=None, **request):
        """Have a request carried out in a folder, with output to one file or two; return the exit status."""
        files = {"stdout": str(stdout), "stderr": str(stderr) if stderr else None}
        self._process.stdin.write(json.dumps({**request, **files, "folder": str(folder)}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait(30)


def serve(carry_out):
    """Answer requests, each of which `carry_out` gets in a fork, until there are no more."""
    for line in sys.stdin:
        print(json.dumps(in_a_fork(_with_files(carry_out), json.loads(line))), flush=True)


def in_a_fork(carry_out, request):
    """Call `carry_out` with the request in a fork, which ends as a Python of its own would; return its exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        carry_out(request)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:
        traceback.print_exc()
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def use_environment(environment):
    """Have this process see an environment as if it had been started in it."""
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None


def _with_files(carry_out):
    def carry_out_(request):
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(_new_file(request["stdout"]), 1)
        os.dup2(_new_file(request["stderr"]) if request["stderr"] else 1, 2)
        os.chdir(request["folder"])
        carry_out(request)

    return carry_out_


def _new_file(path):
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
