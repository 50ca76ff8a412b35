"""Examinations: what ``jobman doctor`` looks at, and what it may find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one look found."""

    #: ``ok``; ``advice``: it works, and may hurt one day; ``wrong``: jobs do not run, or not well.
    verdict: Literal["ok", "advice", "wrong"]
    #: The finding, as a sentence.
    sentence: str
    #: What to do about it; empty when there is nothing to do.
    fix: str = ""


def ok(sentence: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(verdict="ok", sentence=sentence)


def wrong(sentence: str, fix: str) -> Finding:
    """Return the finding that something must be mended."""
    return Finding(verdict="wrong", sentence=sentence, fix=fix)


def advice(sentence: str, fix: str) -> Finding:
    """Return the finding that something could be better."""
    return Finding(verdict="advice", sentence=sentence, fix=fix)
