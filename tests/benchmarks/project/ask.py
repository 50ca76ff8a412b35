"""Enqueues a job of :mod:`tests.benchmarks.project.inside`: its name, its numbers, its file."""

from __future__ import annotations

import sys

import django


def main(name: str, *arguments: str) -> None:
    from tests.benchmarks.project import inside  # noqa: PLC0415 - needs django.setup()

    *numbers, path = arguments
    getattr(inside, name).delay(*map(int, numbers), path)


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
