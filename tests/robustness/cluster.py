"""A Slurm of several nodes, with accounting, on this machine, for as long as the tests of it take."""

import os
import platform
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import cluster_files
from cluster_files import DATABASE_PORT, NODES
from daemons import Daemons, said, wait_until
from filelock import FileLock
from machines import Machine, why_no_machines
from slurm_config import SLURM_CONFIG, expect_no_slurm, of_this_machine

PROGRAMS = {
    "slurm-wlm munge": ("munged", "slurmctld", "slurmd", "sbatch", "squeue"),
    "slurmdbd mariadb-server": ("slurmdbd", "sacct", "mariadbd", "mariadb-install-db"),
}
"""What is needed, by the packages that have it."""

LOCK = FileLock(Path(tempfile.gettempdir(), "faceflip-tests-of-slurm.lock"))
"""Slurm has one configuration a machine: who tests at the same time waits."""


def why_not():
    """Return why Slurm cannot be brought up here, or None."""
    for packages, programs in PROGRAMS.items():
        if missing := [name for name in programs if not shutil.which(name)]:
            return f"{', '.join(missing)} not found: apt-get install {packages}"
    if of_this_machine():
        return f"{SLURM_CONFIG} is not of these tests: this machine has a Slurm of its own"
    if not Path("/sys/fs/cgroup/memory/cgroup.procs").exists():
        return "the kernel does not offer to limit memory by cgroups of version 1"
    return why_no_machines()


class Cluster:
    """Starts the daemons, every node on a machine of its own; on leaving, ends them and removes their configuration."""

    def __init__(self, folder, disk=None):
        self.folder = Path(folder)
        self.nodes = {name: Machine(name, kept=folder, disk=disk) for name in NODES}
        self._daemons = Daemons()

    def __enter__(self):
        LOCK.acquire()
        for name in ("state", "database", *(f"spool/{node}" for node in self.nodes)):
            (self.folder / name).mkdir(parents=True)
        for number in (0, 1):
            # Slurm asks for devices; these take whatever is written to them.
            os.mknod(self.folder / f"gpu{number}", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        os.environ.pop("SLURM_CONF", None)
        cluster_files.write(self.folder, platform.node().split(".")[0])
        try:
            self._start_accounting()
            self._daemons.start("slurmctld", "-D")
            for name in self.nodes:
                self.start(name)
            wait_until(lambda: set(self.states().values()) == {"idle"}, f"idle nodes: {self._logs()}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        subprocess.run(["scancel", "--user=root"], capture_output=True)
        time.sleep(1)
        for node in self.nodes.values():
            node.cut_power()
        self._daemons.end()
        cluster_files.remove()
        expect_no_slurm()
        LOCK.release()

    def _start_munge(self):
        """Start munged as its own user, who must own its folders."""
        user = pwd.getpwnam("munge")
        for folder in map(Path, ("/run/munge", "/var/lib/munge", "/var/log/munge")):
            folder.mkdir(exist_ok=True)
            os.chown(folder, user.pw_uid, user.pw_gid)
        self._daemons.start("munged", "--foreground", user=user.pw_uid, group=user.pw_gid, extra_groups=[])

    def _start_accounting(self):
        """Start the database and its daemon, with an account of which root is a user."""
        if subprocess.run(["munge", "-n"], capture_output=True).returncode:
            self._start_munge()
        database = ("--no-defaults", f"--datadir={self.folder}/database", "--user=root")
        said("mariadb-install-db", *database, "--skip-test-db")
        address = (f"--port={DATABASE_PORT}", "--bind-address=127.0.0.1", f"--socket={self.folder}/database.socket")
        self._daemons.start(
            "mariadbd", *database, *address, "--skip-grant-tables", f"--log-error={self.folder}/mariadb.log"
        )
        wait_until((self.folder / "database.socket").exists, "a database")
        self._daemons.start("slurmdbd", "-D")
        add = ("sacctmgr", "--immediate", "add")
        wait_until(lambda: said(*add, "cluster", "faceflip", check=False), "accounting")
        said(*add, "account", "faces", "cluster=faceflip")
        said(*add, "user", "root", "account=faces")

    def _logs(self):
        return "".join(path.read_text()[-2000:] for path in sorted(self.folder.glob("*.log")))

    def start(self, name):
        """Start a node."""
        self.nodes[name].start("slurmd", "-D", "-N", name, log=self.folder / f"{name}-console.log")

    def states(self):
        """Return the states of the nodes by their names."""
        rows = said("sinfo", "--noheader", "--Node", "--format=%N %T", check=False).splitlines()
        return {name: state.rstrip("*") for name, state in map(str.split, rows)}

    def drain(self, name):
        """Let a node have no more jobs."""
        said("scontrol", "update", f"nodename={name}", "state=drain", "reason=test")

    def resume(self, name):
        """Let a node have jobs again."""
        said("scontrol", "update", f"nodename={name}", "state=resume")

    def jobs(self, duplicates=False):
        """Return all jobs since the start, by the accounting; with `duplicates` each as often as it was begun."""
        fields = "jobid,comment,reqmem,timelimit,state,partition,nodelist,alloctres,account"
        command = ["sacct", "--allocations", "--allusers", "--parsable2", "--noheader", f"--format={fields}"]
        rows = said(*command, *(["--duplicates"] if duplicates else [])).splitlines()
        return [Job(*row.split("|")) for row in rows]

    def running(self, rule):
        """Return the jobs of a rule that are running now; the accounting learns what they are at their end."""
        rows = said("squeue", "--array", "--noheader", "--states=RUNNING", "--format=%i|%k|%m|%l|%T|%P|%N|%b|%a")
        return [job for job in (Job(*row.split("|")) for row in rows.splitlines()) if job.rule == rule]

    def cancel(self, job):
        """Cancel a job as its owner or an operator would."""
        said("scancel", job.number)

    def requeue(self, job):
        """Have a job begun again, as an operator would."""
        said("scontrol", "requeue", job.number)


class Job:
    """What Slurm says of a job; `wildcards` are the values, with underscores between."""

    def __init__(self, number, comment, memory, limit, state, partition, node, allocated, account):
        self.number, self.comment, self.partition, self.node, self.account = number, comment, partition, node, account
        self.state = state.split()[0]  # "CANCELLED by 0"
        rule, _, self.wildcards = comment.partition("_wildcards_")
        self.rule = rule.removeprefix("rule_").removeprefix("group_")
        self.memory = float(memory.rstrip("MG")) * (1024 if memory.endswith("G") else 1)
        self.minutes = _minutes(limit)
        self.gpus = "gres/gpu=1" in allocated.split(",")  # as the accounting has it

    def __repr__(self):
        return f"{self.number} {self.comment} {self.state} {self.memory} {self.minutes} {self.partition} {self.node}"


def _minutes(limit):
    """Read days-hours:minutes:seconds, of which the first parts may be missing."""
    days, _, clock = limit.rpartition("-")
    seconds = 0
    for part in clock.split(":"):
        seconds = 60 * seconds + int(part)
    return int(days or 0) * 1440 + seconds // 60
