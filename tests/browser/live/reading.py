"""What a person reads on a job's page, found as a person finds it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def region(page: Page, name: str) -> Locator:
    """Return a part of the page: ``header``, ``progress``, ``runs`` …"""
    return page.locator(f'[data-jobman-region="{name}"]')


def wait_for_state(page: Page, word: str) -> None:
    """Wait, without a reload, until the page says in which state the job is."""
    page.locator(".jm-standing .jm-badge", has_text=re.compile(word)).first.wait_for()


def wait_for(page: Page | Locator, text: str | re.Pattern[str]) -> None:
    """Wait until the page shows a text."""
    page.get_by_text(text).first.wait_for()


def rows(part: Locator) -> list[str]:
    """Return the rows of a part's first table, each as one line."""
    found = part.locator("table").first.locator("tbody tr").all_inner_texts()
    return [re.sub(r"\s+", " ", row).strip() for row in found]
