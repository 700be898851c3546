"""Progress of long work, readable on a terminal and in a log file alike."""

import re
import sys
import time
from collections.abc import Callable
from typing import TextIO

ProgressCallback = Callable[[int, int], None]  # called with (done, total)
ReportedProgress = Callable[[int, int, str], None]  # with (done, total, note)
NotedProgress = Callable[[int, int, Callable[[], str]], None]  # the note is a function, called only if it is written
MoreDone = Callable[[int], object]  # with the number of those done since the last call

INTERVALS = {True: 0.5, False: 30.0}
"""Seconds between lines on a terminal, and in a log file."""

SCREEN_INTERVAL = 300.0
"""Seconds between lines on the screen of a job whose stderr is a log file."""

LEFT = re.compile(r", (?:(\d+) s|(\d+) min|(\d+) h (\d+) min) left\b")
"""How a line says what is left, in the words of `duration`."""


class Progress:
    """Writes lines such as ``pack: 12,000 of 202,599 images (6 %), 2,900 images/s, 66 s left`` to stderr.

    On a terminal the line is rewritten in place twice a second; in a log file a new one is written every half minute,
    and every few minutes one to `screen`, the terminal. What an earlier process has `done` does not count as speed.
    """

    def __init__(self, task: str, unit: str, done: int = 0, screen: TextIO | None = None) -> None:
        self._task, self._unit, self._before, self._screen = task, unit, done, screen
        self._interactive = sys.stderr.isatty()
        self._interval = INTERVALS[self._interactive]
        self._start = self._last = self._last_on_screen = time.monotonic()

    def __call__(self, done: int, total: int, note: str | Callable[[], str] = "") -> None:
        """Report how much is done; `note` is put at the end of the line."""
        now = time.monotonic()
        if done < total and now - self._last < self._interval:
            return
        self._last = now
        rate = (done - self._before) / max(now - self._start, 1e-9)
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        text = f"{self._task}: {done:,} of {total:,} {self._unit} ({done / max(total, 1):.0%}), {speed} {self._unit}/s"
        text += f", {duration((total - done) / rate)} left" if rate > 0 and done < total else ""
        text += "" if done < total else f" in {now - self._start:,.1f} s"
        note = note if isinstance(note, str) else note()
        text += f", {note}" if note else ""
        end = "\n" if not self._interactive or done >= total else ""
        print(f"\r{text}\033[K" if self._interactive else text, end=end, file=sys.stderr, flush=True)
        if self._screen and now - self._last_on_screen >= SCREEN_INTERVAL:
            self._last_on_screen = now
            print(text, file=self._screen, flush=True)


def counted(progress: ProgressCallback | None, total: int) -> MoreDone:
    """Return a callback for work done in several places, which passes the sum of the counts it gets to `progress`."""
    done = 0

    def more(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, total)

    return more


def duration(seconds: float) -> str:
    """Return a length of time for people: ``42 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def time_left_in(line: str) -> float | None:
    """Return the seconds that a line of progress says are left, of many to the minute; None where it does not say."""
    if not (found := LEFT.search(line)):
        return None
    seconds, minutes, hours, more = (float(number or 0) for number in found.groups())
    return seconds + 60 * (minutes + more) + 3600 * hours
