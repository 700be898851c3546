"""Whether this machine belongs to a Slurm, or the tests bring up one of their own."""

import os
from pathlib import Path

SLURM_CONFIG = Path("/etc/slurm/slurm.conf")
"""Where Debian's Slurm looks; job steps look nowhere else, because the executor clears their environment."""

MARK = "# Written by the tests of faceflip, who remove it again."


def of_this_machine():
    """Return whether there is a configuration that is not of these tests, of which a killed one may be left."""
    return SLURM_CONFIG.exists() and MARK not in SLURM_CONFIG.read_text()


def expect_no_slurm():
    """Spare each start of Snakemake the nine seconds in which `scontrol`, where it is installed, looks for a Slurm."""
    os.environ.setdefault("SLURM_CONF", os.devnull)
