"""Which of a machine's GPUs a job computes on: leases by advisory locks, which end with the process that holds them.

Snakemake counts GPUs (`--resources gpu=4`), but does not say which one a job shall take. So each job takes a free one.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from faceflip.errors import UserError

POLL = 0.5
"""Seconds between looks for a free GPU."""


def visible_gpus() -> list[str]:
    """Return the hardware's identifiers (UUIDs) of the GPUs that CUDA shows this process, in CUDA's order.

    CUDA sees only what CUDA_VISIBLE_DEVICES names or Slurm assigned, and may number the same GPU otherwise elsewhere.
    """
    import torch

    return [str(torch.cuda.get_device_properties(number).uuid) for number in range(torch.cuda.device_count())]


@contextmanager
def lease(gpus: Sequence[str], jobs_per_gpu: int = 1, folder: Path | None = None) -> Iterator[int]:
    """Wait until one of the GPUs is free, hold it while the context or this process lasts, and yield its position.

    Of `gpus`, which are identifiers, those with fewer holders are taken first; `jobs_per_gpu` may hold the same one.
    The locks lie in `folder`, on a file system of this machine, by default this user's own for temporary files; raises
    `UserError` where they cannot be made.
    """
    folder = folder or Path(tempfile.gettempdir()) / f"faceflip-gpus-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number, lock = _acquire(gpus, jobs_per_gpu, folder)
    except OSError as error:
        raise UserError(
            f"{folder}: the locks that keep two jobs off one GPU cannot be made there ({error}); "
            "point TMPDIR to a folder that is yours"
        ) from error
    try:
        yield number
    finally:
        lock.release()


def _acquire(gpus: Sequence[str], jobs_per_gpu: int, folder: Path) -> tuple[int, FileLock]:
    places = [
        # No files in place of locks: they would outlive a killed process.
        (number, FileLock(folder / f"{gpu}-{place}.lock", fallback_to_soft=False))
        for place in range(jobs_per_gpu)
        for number, gpu in enumerate(gpus)
    ]
    begun, told = time.monotonic(), False
    while True:
        for number, lock in places:
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            print(f"GPU {number} of {len(gpus)} ({gpus[number]}), after {time.monotonic() - begun:.0f} s")
            return number, lock
        if not told:
            print(
                f"waiting: other jobs hold all {len(gpus)} visible GPUs ({jobs_per_gpu} a GPU). "
                f"`--resources gpu={len(places)}` starts no more jobs than there is room for",
                file=sys.stderr,
                flush=True,
            )
            told = True
        time.sleep(POLL)
