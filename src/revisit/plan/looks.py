"""One look for ready jobs at a time.

Snakemake 9 looks for jobs to start whenever one ends, and each look sets a timer for another one, which
sets a timer again: after n jobs it looks n times as often, at everything that is ready, until it does
nothing else. Here at most one timer is running.
"""

import threading

from snakemake.scheduling.job_scheduler import JobScheduler


def one_at_a_time() -> None:
    """Let the scheduler of this process set no timer while it waits for one."""
    JobScheduler._schedule_reevalutation = _once


def _once(scheduler: JobScheduler, delay: float) -> None:
    """Release the scheduler's semaphore after ``delay`` seconds, unless that is about to happen anyway."""
    if getattr(scheduler, "_look", None) is None:
        scheduler._look = threading.Timer(delay, _look, [scheduler])
        scheduler._look.daemon = True  # the end of the run waits for no look
        scheduler._look.start()


def _look(scheduler: JobScheduler) -> None:
    scheduler._look = None  # first, or the look that follows would set no timer
    scheduler._open_jobs.release()
