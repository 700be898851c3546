"""Progress of long work, readable on a terminal and in a log file alike."""

import sys
import time
from collections.abc import Callable

ProgressCallback = Callable[[int, int], None]
"""Is told how much is done and how much there is."""


class Progress:
    """Writes lines such as ``pack: 12,000 of 202,599 images (6 %), 2,900 images/s, 66 s left`` to stderr.

    On a terminal the line is rewritten in place twice a second; in a log file a new one is written every half minute.
    """

    def __init__(self, task: str, unit: str) -> None:
        self._task, self._unit = task, unit
        self._interactive = sys.stderr.isatty()
        self._interval = 0.5 if self._interactive else 30.0
        self._start = self._last = time.monotonic()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Tell how much is done; `note` is put at the end of the line."""
        now = time.monotonic()
        if done < total and now - self._last < self._interval:
            return
        self._last = now
        rate = done / max(now - self._start, 1e-9)
        text = (
            f"{self._task}: {done:,} of {total:,} {self._unit} ({done / max(total, 1):.0%}), {rate:,.0f} {self._unit}/s"
        )
        text += f", {(total - done) / rate:,.0f} s left" if 0 < done < total else f" in {now - self._start:,.1f} s"
        text += f", {note}" if note else ""
        end = "\n" if not self._interactive or done >= total else ""
        print(f"\r{text}\033[K" if self._interactive else text, end=end, file=sys.stderr, flush=True)
