"""Injection: stop a body that does not reach a checkpoint.

In a process's main thread (prefork, solo) a signal does it, within a tenth of a second even
in the middle of ``time.sleep``.  In other threads Python raises at the next bytecode, which
is after a blocking call has returned.  The signal handler raises only while the body of the
very job runs, so that neither an idle process nor the next job is ever hit.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from celery_jobman.runtime import running

if TYPE_CHECKING:
    from types import FrameType

    from celery_jobman.runtime.running import RunningJob

#: Celery's soft time limit uses the same one; what is not ours is handed on to it.
SIGNAL = getattr(signal, "SIGUSR1", None)

_others: Any = None


def prepare() -> None:
    """Install the handler, if this is a main thread and it is not installed."""
    global _others  # noqa: PLW0603 - signal handlers belong to the process
    if SIGNAL is None or threading.current_thread() is not threading.main_thread():
        return
    handler = signal.getsignal(SIGNAL)
    if handler is not _on_signal:
        _others = handler
        signal.signal(SIGNAL, _on_signal)


def _on_signal(number: int, frame: FrameType | None) -> None:
    for job in running.active():
        if job.injected and job.in_body and job.stop is not None:
            job.injected = False
            if job.guarded:
                return  # it stops at the checkpoint that follows
            raise job.stop
    if callable(_others):
        _others(number, frame)


def interrupt(job: RunningJob) -> None:
    """Raise ``job.stop`` inside the job's body.

    Not while the body is in a statement of ours: a connection that is left in the middle of
    one is of no use any more, and the checkpoint that follows stops the body as well.
    """
    if not job.in_body or job.stop is None or job.guarded:
        return
    job.injected = True
    if job.thread == threading.main_thread().ident and SIGNAL is not None:
        os.kill(os.getpid(), SIGNAL)
    else:
        raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
        raise_in(ctypes.c_ulong(job.thread), ctypes.py_object(job.stop))
