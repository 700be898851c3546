"""Doing harm to runs, and seeing whether their results are what they should be."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil

MICRO = Path(__file__).with_name("micro.yaml")

OF_OTHERS = {"bring_network", "fine_tune", "transfer_between", "collect_between"}
"""Stages that have jobs only where networks are brought or fine-tuned, which this run has none of."""

DIFFERS = ("benchmarks", "index.html", "runtime.html")
"""Files or folders below results that tell how long something took."""


def results_of(directory):
    """Return the bytes of every result below a run's directory, by path, but for those that tell times."""
    root = Path(directory) / "results"
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not {*path.relative_to(root).parts} & {*DIFFERS, ".snakemake_timestamp"}
    }


def assert_same_results(run, reference):
    """Assert that two runs have the same files with the same bytes, and nothing half-written beside them."""
    found, expected = results_of(run.directory), results_of(reference.directory)
    assert sorted(found.keys() - expected.keys()) == []
    assert sorted(expected.keys() - found.keys()) == []
    assert [path for path in expected if found[path] != expected[path]] == []


def assert_same_as_far_as_it_went(run, reference):
    """Assert that a run of some targets has made something, and nothing that a whole run has not."""
    found, expected = results_of(run.directory), results_of(reference.directory)
    assert found
    assert [path for path in found if found[path] != expected.get(path)] == []


class Running:
    """A run in a process group of its own, as a terminal would start it."""

    def __init__(self, workflow, *arguments):
        self.output = Path(workflow.directory) / "output.txt"
        command, environment = workflow.command(*arguments)
        with self.output.open("w") as file:
            self.head = subprocess.Popen(
                command,
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
                cwd=workflow.project,
                start_new_session=True,
                # Who starts the tests in the background has them ignore Ctrl-C, which children would inherit.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    @property
    def ended(self):
        return self.head.poll() is not None

    @property
    def said(self):
        return self.output.read_text(errors="replace")

    def scripts(self):
        """Return the workflow's scripts that are being run now: processes by name of the script."""
        found = {}
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(self.head.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    for argument in process.cmdline()[1:2]:
                        if argument.endswith(".py") and ".snakemake/scripts/" in argument:
                            found[Path(argument).name.split(".", 1)[1].removesuffix(".py")] = process
        return found

    def hold(self, but=()):
        """Stop the scripts that are being run now, but for the named ones, so that they are there to be killed.

        Return the names of those that were stopped before they ended.
        """
        held = {}
        for name, process in self.scripts().items():
            if name not in but:
                with contextlib.suppress(psutil.Error):
                    process.suspend()
                    held[name] = process
        return {
            name for name, process in held.items() if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        }

    def resume(self):
        """Let go on what `hold` stopped."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.head.pid, signal.SIGCONT)

    def signal(self, number=signal.SIGKILL):
        """Send a signal to the whole group, as Ctrl-C in a terminal or the end of a session does, and wait.

        Who does not end is killed after a while, as schedulers do.
        """
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.head.pid, number)
        self.resume()  # whom `hold` stopped would not see the signal otherwise
        try:
            self.head.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.head.pid, signal.SIGKILL)
            self.head.wait(60)

    def wait(self, seconds=900):
        """Wait for the end and return the exit status."""
        return self.head.wait(seconds)

    def wait_until(self, condition, seconds=300):
        """Wait until a condition holds; whether it did before the run ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.ended:
            if condition():
                return True
            time.sleep(0.02)
        return False
