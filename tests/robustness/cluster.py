"""A Slurm of one node on this machine, for as long as the tests of it take."""

import os
import platform
import pwd
import shutil
import subprocess
import time
from pathlib import Path

from slurm_config import MARK, SLURM_CONFIG, expect_no_slurm, of_this_machine

SETTINGS = """{mark}
ClusterName=faceflip
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
MinJobAge=7200
ReturnToService=2
KillWait=2
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=64000 State=UNKNOWN
PartitionName=faces Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_not():
    """Return why Slurm cannot be brought up here, or None."""
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch", "squeue") if not shutil.which(name)]
    if os.geteuid() != 0:
        return "only root can bring up Slurm"
    if missing:
        return f"{', '.join(missing)} not found: apt-get install slurm-wlm munge"
    if of_this_machine():
        return f"{SLURM_CONFIG} is not of these tests: this machine has a Slurm of its own"
    return None


def _said(*command, check=True):
    return subprocess.run(command, capture_output=True, text=True, check=check).stdout


class Cluster:
    """Starts munge, the controller and the node's daemon; on leaving, ends them and removes their configuration."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self._daemons = []

    def __enter__(self):
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        os.environ.pop("SLURM_CONF", None)
        SLURM_CONFIG.parent.mkdir(exist_ok=True)
        SLURM_CONFIG.write_text(SETTINGS.format(mark=MARK, host=platform.node().split(".")[0], folder=self.folder))
        try:
            if subprocess.run(["munge", "-n"], capture_output=True).returncode:
                self._start_munge()
            self._daemons += [
                subprocess.Popen(
                    [name, "-D"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                for name in ("slurmctld", "slurmd")
            ]
            self._wait_until_idle()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        subprocess.run(["scancel", "--state=PENDING", "--user=root"], capture_output=True)
        subprocess.run(["scancel", "--user=root"], capture_output=True)
        time.sleep(1)
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in self._daemons:
            daemon.wait(60)
        SLURM_CONFIG.unlink(missing_ok=True)
        expect_no_slurm()

    def _start_munge(self):
        """Start munged as its own user, who must own its folders."""
        user = pwd.getpwnam("munge")
        for folder in map(Path, ("/run/munge", "/var/lib/munge", "/var/log/munge")):
            folder.mkdir(exist_ok=True)
            os.chown(folder, user.pw_uid, user.pw_gid)
        options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._daemons.append(
            subprocess.Popen(
                ["munged", "--foreground"],
                **options,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    def _wait_until_idle(self):
        for _ in range(120):
            if _said("sinfo", "--noheader", "--format=%T", check=False).strip() == "idle":
                return
            time.sleep(0.5)
        raise RuntimeError((self.folder / "slurmd.log").read_text() + (self.folder / "slurmctld.log").read_text())

    def jobs(self):
        """Return all jobs since the start, also those that are done: id, rule, memory (MB), minutes, state."""
        rows = _said("squeue", "--all", "--array", "--states=all", "--noheader", "--format=%i|%k|%m|%l|%T")
        return [Job(*row.split("|")) for row in rows.splitlines()]

    def cancel(self, job):
        """Cancel a job as its owner or an operator would."""
        _said("scancel", job.number)


class Job:
    """What squeue says of a job; `wildcards` are the values, with underscores between, of an array the first job's."""

    def __init__(self, number, comment, memory, limit, state):
        self.number, self.comment, self.state = number, comment, state
        rule, _, self.wildcards = comment.partition("_wildcards_")
        self.rule = rule.removeprefix("rule_").removeprefix("group_")
        self.memory = float(memory.rstrip("MG")) * (1024 if memory.endswith("G") else 1)
        self.minutes = _minutes(limit)

    @property
    def in_array(self):
        return "_" in self.number


def _minutes(limit):
    """Read days-hours:minutes:seconds, of which the first parts may be missing."""
    days, _, clock = limit.rpartition("-")
    seconds = 0
    for part in clock.split(":"):
        seconds = 60 * seconds + int(part)
    return int(days or 0) * 1440 + seconds // 60
