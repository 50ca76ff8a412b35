"""What to do about a server that this machine does not have.

A test that needs it is skipped, with the reason.  With ``JOBMAN_TEST_REQUIRE_SERVERS=1`` in
the environment it fails instead, so that a run that must be complete cannot pass by leaving
things out.
"""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


class ServerUnavailable(Exception):
    """A server's programs are not installed, or cannot be run by this account."""


def skip_or_fail(reason: str) -> NoReturn:
    """End the current test: skipped, or failed where every server is required."""
    if os.environ.get("JOBMAN_TEST_REQUIRE_SERVERS", "") not in {"", "0"}:
        pytest.fail(f"{reason} (JOBMAN_TEST_REQUIRE_SERVERS=1)", pytrace=False)
    pytest.skip(reason)


def program(*names: str) -> str:
    """Return the path of the first of ``names`` that is installed.

    Raises:
        ServerUnavailable: None of them is on the search path.
    """
    for name in names:
        path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if path:
            return path
    raise ServerUnavailable(f"{' or '.join(names)} is not installed")
