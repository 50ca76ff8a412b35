"""A long-lived process of the project that answers a test's requests.

Each line of its input is a JSON object ``{"door": name, "args": [...], "kwargs": {...}}``; the
answer is one line, ``{"value": ...}`` or ``{"error": {"type", "message", "traceback"}}``.  It is
what a web process is to a real project: it enqueues jobs and reads their rows.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import IO, Any

import django
from django.core.serializers.json import DjangoJSONEncoder
from django.db import close_old_connections


def main() -> None:
    answers = _claim_stdout()
    django.setup()
    from tests.acceptance.project import (  # noqa: PLC0415 - need Django to be set up
        accounts,
        doors,
        requests,
        ways,
        workflows,
    )

    modules = (accounts, doors, requests, ways, workflows)
    known = {name: value for module in modules for name, value in vars(module).items()}
    for line in sys.stdin:
        request = json.loads(line)
        close_old_connections()  # as at the beginning of a web request
        reply = _answer(known[request["door"]], request["args"], request["kwargs"])
        answers.write(json.dumps(reply, cls=DjangoJSONEncoder) + "\n")
        answers.flush()


def _claim_stdout() -> IO[str]:
    # What the project prints must not stand between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _answer(door: Any, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"value": door(*args, **kwargs)}
    except Exception as error:  # noqa: BLE001 - the test is told
        described = {"type": type(error).__name__, "message": str(error)}
        return {"error": described | {"traceback": traceback.format_exc()}}


if __name__ == "__main__":
    main()
