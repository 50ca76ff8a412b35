"""``python -m tests.benchmarks.screens``: settings first, then what needs them."""

from __future__ import annotations

import importlib
import os
import sys

import django

os.environ.setdefault("JOBMAN_TEST_DATABASE", "postgresql")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

sys.exit(importlib.import_module("tests.benchmarks.screens.measuring").main())
