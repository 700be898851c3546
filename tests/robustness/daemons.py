"""Daemons that a test brings up, and the commands that talk to them."""

import subprocess
import time


class Daemons:
    """Daemons in the foreground, ended the last first."""

    def __init__(self):
        self._started = []

    def start(self, *command, **options):
        """Start a daemon that neither reads nor says anything."""
        nothing = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        self._started.append(subprocess.Popen(list(map(str, command)), **nothing, **options))

    def end(self):
        """Ask each to end, and wait until it has."""
        while self._started:
            daemon = self._started.pop()
            daemon.terminate()
            daemon.wait(60)


def said(*command, check=True):
    """Return what a command prints."""
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if check and result.returncode:
        raise RuntimeError(f"{command}: {result.stdout}{result.stderr}")
    return result.stdout


def wait_until(condition, what, seconds=60):
    """Wait until a condition holds and return what it gives."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.2)
    raise RuntimeError(f"waited for {seconds} s in vain: {what}")
