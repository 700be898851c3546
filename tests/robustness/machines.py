"""Machines that are namespaces of this one: a name, processes, a /tmp and a view of the shared disk of their own."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from running import ROOT

START = r"""
set -e
hostname "$MACHINE"
mount -t tmpfs -o mode=1777 "tmp of $MACHINE" /mnt
for place in $KEPT; do
    mkdir -p "/mnt/${place#/tmp/}"
    mount --bind "$place" "/mnt/${place#/tmp/}"
done
mount --move /mnt /tmp
mkdir -p "${TMPDIR:-/tmp}"
if [ "$DISK" ]; then
    bindfs -o "entry_timeout=$CACHED,negative_timeout=$CACHED,attr_timeout=$CACHED" "$DISK" "$SHARED"
fi
"$@" &
wait $!  # as the first process of the machine, the shell has to see its orphans off
"""


class SharedDisk:
    """A folder of which each machine has a view of its own, which remembers for a while what it saw, as NFS does.

    `disk` is where it is, `seen` where machines see it, both below `folder`.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.disk, self.seen = self.folder / "disk", self.folder / "shared"
        for place in (self.disk, self.seen):
            place.mkdir(parents=True)


def why_no_machines():
    """Return why there can be none, or None."""
    if os.geteuid() != 0:
        return "only root can make namespaces"
    if subprocess.run(["unshare", "--mount", "--pid", "--uts", "--fork", "true"], capture_output=True).returncode:
        return "namespaces are not allowed here"
    return None


def why_no_shared_disk():
    """Return why machines cannot share a disk, or None."""
    if not shutil.which("bindfs"):
        return "bindfs not found: apt-get install bindfs"
    if not os.access("/dev/fuse", os.W_OK):
        return "/dev/fuse cannot be opened"
    return None


class Machine:
    """A machine that runs one command and everything that comes of it, until that ends or the power goes off.

    Args:
        name: Its host name.
        kept: A folder below /tmp that it shares with this machine beside the project and its environment.
        disk: A `SharedDisk`, or None.
        cached: For how many seconds the machine remembers what a file of the disk was, or that there was none.
    """

    def __init__(self, name, kept, disk=None, cached=3):
        self.name, self._process = name, None
        wanted = [kept, ROOT, sys.prefix, sys.base_prefix, *([disk.folder] if disk else [])]
        places = {Path(place).resolve() for place in wanted}
        self.environment = {
            "MACHINE": name,
            "KEPT": " ".join(str(place) for place in sorted(places) if place.is_relative_to("/tmp")),
            "DISK": str(disk.disk) if disk else "",
            "SHARED": str(disk.seen) if disk else "",
            "CACHED": str(cached),
        }

    def command(self, *command):
        """Return the command that brings the machine up and runs a command there; whoever kills it cuts the power."""
        settings = [f"{key}={value}" for key, value in self.environment.items()]
        unshare = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        return ["env", *settings, *unshare, "sh", "-c", START, self.name, *map(str, command)]

    def start(self, *command, log):
        """Bring the machine up with a daemon; what both say goes into the file `log`."""
        with Path(log).open("a") as file:
            options = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": file, "start_new_session": True}
            self._process = subprocess.Popen(self.command(*command), **options)

    @property
    def on(self):
        return self._process is not None and self._process.poll() is None

    def cut_power(self):
        """End all of its processes at once."""
        if self.on:
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process:
            self._process.wait(60)
