"""Drawing many images, by several processes where there are several cores.

Threads would take longer than one alone: a face is drawn by some hundred small operations, between which the
interpreter serves one thread at a time.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from faceflip.data.celeba import ATTRIBUTES
from faceflip.data.synthetic.image import draw_image, encode, file_name
from faceflip.errors import UserError
from faceflip.io.files import telling_disk_errors
from faceflip.runtime.elsewhere import python

DRAWN, REFUSED, FAILED = b".", b"?", b"!"
"""What a process writes for each image that is done; before the message of a `UserError`, or other error, that ends it.
"""
WORTH_A_PROCESS = 50
"""Images that one draws while another process starts."""


def painted(folder: Path, seed: int, strengths: np.ndarray, workers: int) -> Iterator[None]:
    """Draw an image file for each row of strengths (N, 40), numbered from 1, and yield after each.

    What these are drawn from is in `draw_image`. Which of the `workers` draws an image makes no difference to it.
    """
    workers = min(workers, -(-len(strengths) // WORTH_A_PROCESS))
    if workers == 1:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)  # one image is too small to share out
        try:
            yield from _paint(folder, seed, strengths, slice(0, None))
        finally:
            cv2.setNumThreads(threads)
        return
    with ExitStack() as stack:
        painters = [stack.enter_context(_painter(folder, seed, strengths, first, workers)) for first in range(workers)]
        for place in range(len(strengths)):
            yield _await(painters[place % workers])


def _paint(folder: Path, seed: int, strengths: np.ndarray, share: slice) -> Iterator[None]:
    """Draw the images of a share of the rows, and yield after each."""
    for place in range(len(strengths))[share]:
        path = folder / file_name(place + 1)
        with telling_disk_errors(path):
            path.write_bytes(encode(draw_image(seed, place + 1, strengths[place])))
        yield


@contextmanager
def _painter(folder: Path, seed: int, strengths: np.ndarray, first: int, workers: int) -> Iterator[BinaryIO]:
    """Start a process that draws the images of every so many rows; yield what it reports, and end it."""
    program = python(f"from {__name__} import report; report()", folder, seed, first, workers)
    with subprocess.Popen(**program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            with suppress(BrokenPipeError), process.stdin as stdin:  # of one that did not start: see `_await`
                stdin.write(strengths.astype(np.float64).tobytes())
            yield process.stdout
        finally:
            process.kill()


def report() -> None:
    """Draw what the arguments and standard input describe, and write to standard output what is done: `_painter`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever interrupts both also interrupts the caller, which ends this
    cv2.setNumThreads(1)
    folder, seed, first, workers = sys.argv[1:]
    strengths = np.frombuffer(sys.stdin.buffer.read()).reshape(-1, len(ATTRIBUTES))
    try:
        for _ in _paint(Path(folder), int(seed), strengths, slice(int(first), None, int(workers))):
            os.write(1, DRAWN)
    except BrokenPipeError:  # the caller was killed
        return
    except UserError as error:
        os.write(1, REFUSED + os.fsencode(str(error)))
    except Exception as error:
        os.write(1, FAILED + os.fsencode(f"{type(error).__name__}: {error}"))
        raise


def _await(reports: BinaryIO) -> None:
    """Wait until a process has drawn an image; raise what ended it."""
    mark = reports.read(1)
    if mark == DRAWN:
        return
    reason = os.fsdecode(reports.read())
    if mark == REFUSED:
        raise UserError(reason)
    raise RuntimeError(f"a process that drew images has ended before it had drawn all of its share. {reason}".rstrip())
