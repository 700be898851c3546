"""When Snakemake's scheduler looks for jobs that may start.

Snakemake 9 limits how many jobs start a second, so it looks once more a second after it has looked. It also looks when
a job ends, and then sets one more timer, which is renewed as long as any job waits: after a hundred jobs it looks a
hundred times a second, each time at all jobs that wait. Here no timer is set while another one runs.
"""

import threading
from collections.abc import Callable


class Alarm:
    """Wakes somebody after a time, once, however often it is set until then."""

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._is_set = False

    def set(self, seconds: float) -> None:
        """Call `wake` in so many seconds, unless that is already to come."""
        if not self._is_set:
            self._is_set = True
            threading.Timer(seconds, self._ring).start()

    def _ring(self) -> None:
        self._is_set = False  # first: who is woken sets it anew
        self._wake()


def use_one_alarm(scheduler: object) -> None:
    """Let Snakemake's `JobScheduler` set one timer at a time; one that is made otherwise stays as it is."""
    if hasattr(scheduler, "_schedule_reevalutation") and hasattr(scheduler, "_open_jobs"):
        scheduler._schedule_reevalutation = Alarm(scheduler._open_jobs.release).set
