"""Files from the future: what a clock that was ahead leaves behind."""

import shlex
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from faceflip.errors import UserError
from faceflip.wording import quantity

SHORT = 60.0
"""Seconds that are waited for; a clock that is further ahead is no longer the time that a message takes."""
LISTED = 8
"""So many files are named one by one."""


def require_past(files: Iterable[str | Path]) -> None:
    """Wait until files are in the past, or raise UserError with the remedy where that would take more than `SHORT`.

    Snakemake throws away what is older than its inputs after it was made, however long that took. Missing files are
    passed over.
    """
    now = time.time()
    ahead = {str(file): moment - now for file in files if (moment := _dated(Path(file))) > now}
    if not ahead:
        return
    if (longest := max(ahead.values())) <= SHORT:
        print(f"Waiting {longest:.0f} s, as inputs are dated that far into the future.", file=sys.stderr)
        time.sleep(longest)
        return
    places = sorted(ahead)
    remedy = shlex.join(["touch", "--", *places])
    if len(places) > LISTED:
        folders = sorted({str(Path(place).parent) for place in places})
        remedy = f"{shlex.join(['find', *folders])} -newermt now -exec touch {{}} +"
    named = ", ".join(places[:LISTED]) + (", ..." if len(places) > LISTED else "")
    raise UserError(
        f"the clock was ahead, or is behind now: {quantity(len(places), 'file')} from which others are to be made, "
        f"dated up to {longest / 3600:.1f} hours into the future: {named}. Snakemake would throw away what is made "
        f"from them, being older. See that the clock is right, then run\n  {remedy}\nand the same command again. "
        "Results that depend on large ones (above 50 MB) are made anew, with the same bytes."
    )


def _dated(path: Path) -> float:
    """Return when a file was written, as Snakemake sees it: folders that it made have a file that says so."""
    for place in (path / ".snakemake_timestamp", path):
        try:
            return place.stat().st_mtime
        except OSError:
            continue
    return 0.0
