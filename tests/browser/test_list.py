"""The list renews itself, and leaves alone what someone is working with."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from tests.browser.screens import LIST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Locator, Page

    from tests.browser.sites import Site
    from tests.browser.windows import Window

POLLS = "**/job/states/**"


def report(site: Site, current: int) -> None:
    """Let the running job report progress."""
    with closing(sqlite3.connect(site._file, timeout=20)) as database, database:
        key = UUID(site.jobs["running"]).hex
        sql = "UPDATE jobman_job SET progress_current = ? WHERE id = ?"
        assert database.execute(sql, (current, key)).rowcount == 1


@pytest.fixture(autouse=True)
def _as_it_was(site: Site) -> Iterator[None]:
    yield
    report(site, 420)


@pytest.fixture
def page(window: Window) -> Page:
    page = window.open(f"{LIST}?state__exact=running")
    window.settle()
    return page


@pytest.fixture
def cell(page: Page, site: Site) -> Locator:
    return page.locator(f'[data-job="{site.jobs["running"]}"][data-cell="name"]')


def poll(page: Page) -> None:
    """Wait for the answers to two polls: what the first brought has been shown by then."""
    for _ in range(2):
        with page.expect_response(POLLS):
            pass


def test_a_row_in_view_is_renewed(page: Page, cell: Locator, site: Site) -> None:
    report(site, 777)

    poll(page)

    assert "777 of 1,000" in cell.inner_text()


def test_a_ticked_row_is_left_alone(page: Page, cell: Locator, site: Site) -> None:
    row = page.locator("#result_list tbody tr", has=cell)
    row.locator("input.action-select").check()
    page.locator("#searchbar").focus()
    report(site, 778)

    poll(page)

    assert "420 of 1,000" in cell.inner_text()
    assert row.locator("input.action-select").is_checked()


def test_a_row_with_the_focus_is_left_alone(page: Page, cell: Locator, site: Site) -> None:
    link = cell.locator("a").first
    link.focus()
    report(site, 779)

    poll(page)

    assert "420 of 1,000" in cell.inner_text()
    assert link.evaluate("(one) => one === document.activeElement")


def test_a_lost_connection_is_said_and_forgotten(page: Page) -> None:
    trouble = page.locator("[data-trouble]")
    page.route(POLLS, lambda route: route.abort())

    trouble.filter(has_text="Connection lost").wait_for()
    page.unroute(POLLS)
    poll(page)

    assert trouble.inner_text() == ""


def test_live_is_turned_off_and_stays_off(page: Page) -> None:
    page.locator("[data-live]").select_option("off")

    page.reload()
    page.locator(".jm-live").wait_for()

    assert page.locator("[data-live]").input_value() == "off"


def test_states_are_counted_after_the_page_has_come(page: Page) -> None:
    count = page.locator('[data-count="failed"]:not(:empty)')
    count.wait_for()

    assert int(count.inner_text()) > 0
