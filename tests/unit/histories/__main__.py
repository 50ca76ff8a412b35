"""Play many histories: ``python -m tests.unit.histories [COUNT]``; 10,000 unless told."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    os.environ["JOBMAN_TEST_HISTORIES"] = sys.argv[1] if len(sys.argv) > 1 else "10000"
    sys.exit(pytest.main([str(Path(__file__).with_name("test_histories.py")), "-q", "-s"]))
