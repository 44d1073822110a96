"""Protects long studies from a scheduler that looks for ready jobs ever more often."""

import threading
import time
from types import SimpleNamespace

from snakemake.scheduling.job_scheduler import JobScheduler

from revisit.plan.looks import one_at_a_time


def test_looks_that_are_asked_for_at_once_are_one(monkeypatch):
    """Five calls release the semaphore once; a call after that, once more."""
    monkeypatch.setattr(JobScheduler, "_schedule_reevalutation", JobScheduler._schedule_reevalutation)
    one_at_a_time()
    scheduler = SimpleNamespace(_open_jobs=threading.Semaphore(0))
    for expected in (5, 1):
        for _ in range(expected):
            JobScheduler._schedule_reevalutation(scheduler, 0.05)
        assert scheduler._open_jobs.acquire(timeout=5)
        time.sleep(0.2)
        assert not scheduler._open_jobs.acquire(blocking=False)
