"""Leases one of some GPUs, says which, and holds it until its standard input ends."""

import sys
from pathlib import Path

from faceflip.runtime.gpus import lease

folder, jobs_per_gpu, *gpus = sys.argv[1:]
with lease(gpus, int(jobs_per_gpu), Path(folder)) as number:
    print(f"leased {gpus[number]}", flush=True)
    sys.stdin.read()
