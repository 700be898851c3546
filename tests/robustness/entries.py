"""Running the workflow's scripts as Snakemake would, and the command line, without the seconds that imports take."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from running import ROOT


@dataclass(frozen=True)
class Ended:
    """How a script or command ended: exit status, what was on the screen, what is in the log."""

    status: int
    screen: str
    log: str


class Entries:
    """A server that runs one script or command after the other; use as a context manager.

    Args:
        progress: Names and values to be set in `faceflip.runtime.progress`, such as intervals.
    """

    def __init__(self, **progress):
        self._progress = progress

    def __enter__(self):
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts"), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
        self._server = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("script_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        return self

    def __exit__(self, *error):
        self._server.stdin.close()
        self._server.wait(30)

    def script(self, folder, name, **parts):
        """Run scripts/NAME.py in a folder; `parts` are input, output, params, wildcards, threads, config."""
        log = Path(folder) / "logs/script.log"
        defaults = {"input": {}, "output": {}, "params": {}, "wildcards": {}, "threads": 1, "config": {}}
        ended = self._ask(folder, script=name, parts={**defaults, **parts, "log": [str(log)]})
        return Ended(*ended, log.read_text() if log.exists() else "")

    def command(self, folder, *arguments):
        """Run `faceflip ARGUMENTS` in a folder."""
        return Ended(*self._ask(folder, script=None, arguments=[str(argument) for argument in arguments]), "")

    def _ask(self, folder, **request):
        screen = Path(folder) / ".screen"
        request |= {"folder": str(folder), "screen": str(screen), "progress": self._progress}
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        status = json.loads(self._server.stdout.readline())
        return status, screen.read_text(errors="replace")
