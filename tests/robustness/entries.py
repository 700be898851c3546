"""Running the workflow's scripts as Snakemake would, and the command line, without the seconds that imports take."""

import os
from dataclasses import dataclass
from pathlib import Path

from forks import Server
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
        folders = os.pathsep.join(str(ROOT / folder) for folder in ("scripts", "tests/workflow"))
        environment = {**os.environ, "PYTHONPATH": folders, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
        self._server = Server(Path(__file__).with_name("script_server.py"), environment)
        return self

    def __exit__(self, *error):
        self._server.close()

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
        status = self._server.ask(folder, screen, **request, progress=self._progress)
        return status, screen.read_text(errors="replace")
