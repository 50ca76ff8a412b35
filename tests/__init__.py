"""The tests.  ``python -m tests`` runs them on every database found on this machine."""

from __future__ import annotations
