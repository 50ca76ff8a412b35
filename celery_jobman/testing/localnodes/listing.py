"""Lists a worker's processes, in place of the module that pytest-celery lays into a container.

``CeleryTestWorker.get_running_processes_info`` lists every process of the container.  Without
a container that would be every process of the machine; here it is the worker with all that it
started.  This module is copied into the worker's folder and run there, so it imports nothing
of this package.
"""

from __future__ import annotations

import json
import os

import psutil  # type: ignore[import-untyped]

_COLUMNS = ["pid", "name", "username", "cmdline", "cpu_percent", "memory_percent", "create_time"]


def get_running_processes_info(columns: list[str] | None = None) -> str:
    """Return the asked ``columns`` of each of the worker's processes, as JSON."""
    worker = psutil.Process(int(os.environ["JOBMAN_NODE_PID"]))
    processes = [worker, *worker.children(recursive=True)]
    return json.dumps([process.as_dict(columns or _COLUMNS) for process in processes])
