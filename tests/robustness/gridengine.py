"""A Grid Engine of one node on this machine, for as long as the tests of it take. It leaves the machine's own alone."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from daemons import Daemons, said, wait_until

PACKAGED = Path("/var/lib/gridengine")
DEFAULTS = Path("/usr/share/gridengine")
TOOLS = Path("/usr/lib/gridengine")

BOOTSTRAP = """admin_user none
default_domain none
ignore_fqdn true
spooling_method berkeleydb
spooling_lib libspoolb
spooling_params {folder}/spool
binary_path /usr/sbin
qmaster_spool_dir {folder}/qmaster
security_mode none
listener_threads 1
worker_threads 1
scheduler_threads 1
"""

ENVIRONMENT = """pe_name smp
slots 99
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule $pe_slots
control_slaves FALSE
job_is_first_task TRUE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
"""

QUEUE = {
    "qname": "faces.q",
    "hostlist": "@allhosts",
    "pe_list": "smp",
    "slots": "4",
    "shell": "/bin/sh",
    "load_thresholds": "NONE",
}


def why_not():
    """Return why Grid Engine cannot be brought up here, or None."""
    if os.geteuid() != 0:
        return "only root can bring up Grid Engine"
    if missing := [name for name in ("sge_qmaster", "sge_execd", "qsub", "qconf") if not shutil.which(name)]:
        return f"{', '.join(missing)} not found: apt-get install gridengine-master gridengine-exec"
    if not (TOOLS / "spoolinit").exists():
        return "this Grid Engine is not Debian's"
    return None


class GridEngine:
    """Starts the master and the node's daemon, with a queue and a parallel environment; on leaving, ends them."""

    def __init__(self, folder):
        self.folder, self._daemons = Path(folder), Daemons()
        self.environment = {
            "SGE_ROOT": f"{folder}/root",
            "SGE_CELL": "default",
            "SGE_QMASTER_PORT": "17444",
            "SGE_EXECD_PORT": "17445",
        }

    def __enter__(self):
        common = self.folder / "root/default/common"
        for place in (common, *(self.folder / name for name in ("spool", "qmaster", "execd"))):
            place.mkdir(parents=True)
        for name in ("bin", "lib", "util", "utilbin"):
            (self.folder / "root" / name).symlink_to(PACKAGED / name)
        (common / "bootstrap").write_text(BOOTSTRAP.format(folder=self.folder))
        (common / "act_qmaster").write_text("localhost\n")
        (common / "host_aliases").write_text(f"localhost {platform.node()}\n")
        os.environ.update(self.environment)
        foreground = {**os.environ, "SGE_ND": "1"}
        try:
            self._spool()
            self._daemons.start("sge_qmaster", env=foreground)
            wait_until(lambda: said("qconf", "-sh", check=False), "the master")
            said("qconf", "-as", "localhost")
            self._daemons.start("sge_execd", env=foreground)
            self._add("-Ap", ENVIRONMENT)
            self._add("-Ahgrp", "group_name @allhosts\nhostlist localhost\n")
            self._add("-Aq", _with(said("qconf", "-sq"), QUEUE))
            wait_until(lambda: re.search("faces.q@localhost.*lx-amd64 *$", said("qstat", "-f"), re.MULTILINE), "a node")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        subprocess.run(["qdel", "-u", "*"], capture_output=True)
        self._daemons.end()
        for name in self.environment:
            os.environ.pop(name, None)

    def _spool(self):
        """Write what the master starts from; root may have jobs, and accounting is written at once."""
        said(TOOLS / "spoolinit", "berkeleydb", "libspoolb", self.folder / "spool", "init")
        defaults = (
            (DEFAULTS / "default-configuration").read_text().replace("flush_time=00:00:15", "flush_time=00:00:01")
        )
        own = {"execd_spool_dir": f"{self.folder}/execd", "min_uid": "0", "min_gid": "0"}
        configuration = self.folder / "configuration"
        configuration.write_text(_with(defaults, own))
        resources = DEFAULTS / "util/resources"
        for kind, what in {
            "configuration": configuration,
            "complexes": resources / "centry",
            "usersets": resources / "usersets",
            "managers": "root",
        }.items():
            said(TOOLS / "spooldefaults", kind, what)

    def _add(self, option, text):
        path = self.folder / "added"
        path.write_text(text)
        said("qconf", option, path)

    def running(self, rule):
        """Return the numbers of the jobs of a rule that are running."""
        rows = (line.split() for line in said("qstat", "-s", "r").splitlines()[2:])
        return [row[0] for row in rows if f"f-{rule}".startswith(row[2]) and row[4] == "r"]

    def cancel(self, number):
        """Delete a job, as its owner would."""
        said("qdel", number)


def _with(text, settings):
    """Return a configuration with other values for these names."""
    for name, value in settings.items():
        text, found = re.subn(rf"^{name} .*$", f"{name} {value}", text, flags=re.MULTILINE)
        assert found == 1, name
    return text
