"""The list renews itself, and leaves alone what someone is working with."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from celery_jobman.models.ids import uuid7
from tests.browser.screens import LIST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Locator, Page, Route

    from tests.browser.sites import Site
    from tests.browser.windows import Window

POLLS = "**/job/states/**"


def report(site: Site, current: int) -> None:
    """Let the running job report progress."""
    with closing(sqlite3.connect(site._file, timeout=20)) as database, database:
        key = UUID(site.jobs["running"]).hex
        sql = "UPDATE jobman_job SET progress_current = ? WHERE id = ?"
        assert database.execute(sql, (current, key)).rowcount == 1


def enqueue(site: Site, queue: str) -> None:
    """Make a new job of the queued one's kind."""
    with closing(sqlite3.connect(site._file, timeout=20)) as database, database:
        database.row_factory = sqlite3.Row
        sql = "SELECT * FROM jobman_job WHERE id = ?"
        row = dict(database.execute(sql, (UUID(site.jobs["queued"]).hex,)).fetchone())
        key = uuid7()
        row |= {"id": key.hex, "task_id": str(key), "queue": queue}
        names, marks = ",".join(f'"{name}"' for name in row), ",".join("?" * len(row))
        sql = f"INSERT INTO jobman_job ({names}) VALUES ({marks})"  # noqa: S608 - our own names
        database.execute(sql, list(row.values()))


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
    found = page.locator(f'[data-job="{site.jobs["running"]}"][data-cell="name"]')
    found.scroll_into_view_if_needed()  # what is out of sight is not renewed
    return found


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


def test_the_choice_of_an_interval_is_kept(page: Page) -> None:
    choice = page.locator("[data-live]")
    assert choice.locator("option").all_inner_texts() == [
        "Off",
        "1s",
        "2s",
        "5s",
        "15s",
        "1m",
    ]
    assert choice.input_value() == "5"

    choice.select_option("1")
    poll(page)
    page.reload()
    page.locator(".jm-live").wait_for()

    assert choice.input_value() == "1"


def test_a_choice_that_there_is_not_is_forgotten(page: Page) -> None:
    page.evaluate("() => localStorage.setItem('jobman.list.live', 'on')")

    page.reload()

    assert page.locator("[data-live]").input_value() == "5"


@pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])
def test_the_time_of_the_page_names_its_zone(
    windows: Callable[..., Window], *, javascript: bool
) -> None:
    page = windows(javascript=javascript).open(LIST)

    assert re.fullmatch(r"as of \d\d:\d\d:\d\d UTC", page.locator("[data-asof-text]").inner_text())
    assert page.locator("[data-live]").is_visible() is javascript


def test_new_jobs_are_told_of_and_loaded_on_request(window: Window, site: Site) -> None:
    queue = f"new-{uuid4().hex[:8]}"
    page = window.open(f"{LIST}?queue={queue}")
    page.get_by_text("No jobs match.").wait_for()
    enqueue(site, queue)

    link = page.get_by_role("link", name="Show 1 new job")
    link.wait_for()
    assert page.locator("#result_list").count() == 0
    link.click()

    page.locator("#result_list .jm-task").wait_for()
    assert window.complaints == []


def test_a_search_that_was_stopped_is_said_while_the_rows_move_on(
    page: Page, cell: Locator, site: Site
) -> None:
    def stopped(route: Route) -> None:
        answer = route.fetch()
        words = {"new": "", "trouble": "The search took longer than 3 seconds"}
        route.fulfill(response=answer, json={**answer.json(), **words})

    page.route(POLLS, stopped)
    report(site, 781)

    page.locator("[data-trouble]", has_text="took longer").wait_for()
    poll(page)
    assert "781 of 1,000" in cell.inner_text()


def test_a_tag_leads_to_the_jobs_that_have_it(window: Window) -> None:
    page = window.open(f"{LIST}?state=running")

    page.locator(".jm-second a", has_text="nightly").first.click()

    page.locator("#searchbar").wait_for()
    assert page.locator("#searchbar").input_value() == 'tag:"nightly"'
    assert page.locator("#result_list .jm-task").count() > 2
    assert window.complaints == []


def test_an_empty_list_says_so_and_leads_out(window: Window) -> None:
    page = window.open(f"{LIST}?state=failed&q=queue:nowhere")
    page.get_by_text("No failed jobs match.").wait_for()

    page.get_by_role("link", name="Clear the search").click()

    page.locator("#result_list .jm-task").first.wait_for()
    assert window.complaints == []


def test_states_are_counted_after_the_page_has_come(page: Page) -> None:
    count = page.locator('[data-count="failed"]:not(:empty)')
    count.wait_for()

    assert int(count.inner_text()) > 0
