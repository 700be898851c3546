"""Memory that is freed is kept for what is taken next."""

import platform
import subprocess
import sys

import pytest

ROUNDS = 20
SCRIPT = f"""
import resource, sys
import numpy as np
from faceflip.runtime.memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def some_blocks():
    [np.ones(2**18) for _ in range(16)]  # 2 MB each

some_blocks()
before = faults()
for _ in range({ROUNDS}):
    some_blocks()
print((faults() - before) / {ROUNDS})
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep it or not as they like")
def test_what_is_freed_is_not_given_back():
    pages = {}
    for what in ("keep", "not"):
        done = subprocess.run([sys.executable, "-c", SCRIPT, what], capture_output=True, text=True, check=True)
        pages[what] = float(done.stdout)
    assert pages["keep"] < 100 < 1000 < pages["not"], "32 MB are 8,192 pages"
