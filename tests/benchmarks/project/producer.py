"""Calls ``noop.delay()`` on demand: reads how often, answers with the seconds of each call.

One line in, one line of JSON out, until the input ends.
"""

from __future__ import annotations

import json
import sys
import time

import django


def main() -> None:
    from tests.benchmarks.project.app import noop  # noqa: PLC0415 - needs django.setup()

    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            noop.delay()
            seconds.append(time.perf_counter() - start)
        sys.stdout.write(json.dumps(seconds) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    django.setup()
    main()
