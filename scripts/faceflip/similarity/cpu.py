"""The CPU engine: hands groups of pairs that share an original to threads that run the compiled kernels."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import pairwise

import numpy as np

from faceflip.runtime import compiled
from faceflip.similarity.definition import SIMILARITIES, PassScores

GROUP = 16
"""Pairs that share the preparation of their original; more would gain nothing and make threads wait for the last."""

_scratch = threading.local()
"""Of each thread: megabytes that the system would have to clear anew for every call."""


def available_threads() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _groups(original_index: np.ndarray, threads: int) -> Iterator[np.ndarray]:
    """Yield the pairs in groups of one original, at most `GROUP` each, in the order of the originals."""
    size = max(1, min(GROUP, -(-len(original_index) // threads)))
    order = np.argsort(original_index, kind="stable")
    owners = original_index[order]
    begins = [0, *(np.flatnonzero(owners[1:] != owners[:-1]) + 1), len(order)]
    for begin, end in pairwise(begins):
        for start in range(begin, end, size):
            yield order[start : min(start + size, end)]


def _in_threads(run: Callable[[np.ndarray], int], groups: Iterator[np.ndarray], threads: int) -> Iterator[int]:
    """Yield what `run` returns for each group, as they get done; what has not begun is dropped when this is closed."""
    with ThreadPoolExecutor(threads) as pool:
        try:
            for future in as_completed([pool.submit(run, members) for members in groups]):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _work(size: int) -> np.ndarray:
    """Return this thread's scratch space, at least `size` float32 values that hold anything."""
    if len(getattr(_scratch, "work", ())) < size:
        _scratch.work = np.empty(size, np.float32)
    return _scratch.work


def _read_only(images: np.ndarray) -> np.ndarray:
    """Return a read-only view: images may be such, and the kernels are compiled for one type alone."""
    view = images.view()
    view.flags.writeable = False
    return view


def score(
    originals: np.ndarray,
    perturbed: np.ndarray,
    original_index: np.ndarray,
    *,
    channels: int,
    align: bool,
    unaligned: bool,
    threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> PassScores:
    """Score pairs on the CPU; arguments are those of `pass_scores`, checked there.

    `channels` is 1 for grey alone, 3 for colour alone, 4 for both; `progress` is called in this thread.
    """
    kernels = compiled.load("faceflip.similarity.kernels")
    scores = PassScores.empty(len(perturbed))
    if not len(perturbed):
        return scores
    originals, perturbed = _read_only(originals), _read_only(perturbed)
    similarities = np.full((len(perturbed), 4), np.nan)
    results = similarities, scores.ecc, scores.iterations, scores.status, scores.warp.reshape(-1, 9)
    threads = max(1, min(threads or available_threads(), len(perturbed)))
    size = kernels.scratch_size(*perturbed.shape[1:3], channels)

    def run(members: np.ndarray) -> int:
        original = originals[original_index[members[0]]]
        kernels.score_group(original, perturbed, members, channels, align, unaligned, _work(size), *results)
        return len(members)

    groups = _groups(original_index, threads)
    for done in map(run, groups) if threads == 1 else _in_threads(run, groups, threads):
        if progress is not None:
            progress(done)
    for name, column in zip(SIMILARITIES, similarities.T, strict=True):
        getattr(scores, name)[:] = column
    return scores
