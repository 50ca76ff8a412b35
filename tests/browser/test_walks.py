"""What people do, from click to click, and what each of them is offered."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.screens import LIST
from tests.browser.site.rows import HOSTILE, TASK

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.browser.sites import Site
    from tests.browser.windows import Window

#: Names of the buttons and links that change a job.
OFFERED = re.compile(r"^(Cancel|Retry|Edit and retry|Priority|Reschedule)\b")

#: What each user is offered on the page of a failed job.
OFFERS = {
    "reader": [],
    "canceller": ["Cancel…"],
    "retrier": ["Retry", "Retry later or elsewhere…", "Retry from step…"],
    "root": [
        "Cancel…",
        "Retry",
        "Retry later or elsewhere…",
        "Retry from step…",
        "Edit and retry…",
        "Priority…",
        "Reschedule…",
    ],
}


@pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])
def test_a_failed_job_is_retried_from_a_step(
    windows: Callable[..., Window], site: Site, *, javascript: bool
) -> None:
    job = site.jobs["to walk" if javascript else "to walk without scripts"]
    window = windows(javascript=javascript)
    page = window.open(f"{LIST}?state=failed")

    page.locator(f'.jm a[href*="{job}"]').first.click()
    page.get_by_role("link", name="Retry from step…").click()
    page.get_by_role("radio", name="validate").check()
    page.get_by_role("textbox", name="Reason").fill("the list is mended")
    page.get_by_role("button", name="Retry from this step").click()

    page.get_by_text("The job runs again from step validate.").wait_for()
    assert job in page.url
    assert "the list is mended" in _history(page)
    assert "root" in _history(page)
    assert page.locator(".jm-badge").first.inner_text() != "Failed"
    assert window.complaints == []


def test_a_queued_job_is_cancelled(window: Window, site: Site) -> None:
    page = window.open(f"{LIST}{site.jobs['to cancel']}/change/")

    page.get_by_role("link", name="Cancel…").click()
    page.get_by_role("textbox", name="Reason").fill("not needed")
    page.locator(".jm form button[type=submit]").click()

    page.locator(".jm-badge", has_text="Cancelled").first.wait_for()
    assert "not needed" in _history(page)
    assert window.complaints == []


def test_a_form_that_was_overtaken_does_nothing(windows: Callable[..., Window], site: Site) -> None:
    job = site.jobs["to overtake"]
    late, quick = windows(), windows()
    for window in (late, quick):
        window.open(f"{LIST}{job}/cancel/")
    quick.page.locator(".jm form button[type=submit]").click()
    quick.page.locator(".jm-badge", has_text="Cancelled").first.wait_for()
    before = site.dump()

    late.page.locator(".jm form button[type=submit]").click()

    late.page.get_by_text("The job changed since you opened this page").wait_for()
    assert site.dump() == before


@pytest.mark.parametrize("user", OFFERS)
def test_a_user_is_offered_what_the_permissions_allow(
    windows: Callable[..., Window], site: Site, user: str
) -> None:
    page = windows(user).open(f"{LIST}{site.jobs['failed']}/change/")

    offered = page.get_by_role("group", name="Actions").locator(".jm-btn").all_inner_texts()

    assert offered == OFFERS[user]


@pytest.mark.parametrize(("user", "seen"), [("reader", False), ("retrier", True)])
def test_errors_and_lines_are_for_those_who_may_read_the_log(
    windows: Callable[..., Window], site: Site, user: str, *, seen: bool
) -> None:
    page = windows(user, javascript=False).open(f"{LIST}{site.jobs['failed']}/change/")
    text = page.locator(".jm").inner_text()

    assert ("row 12 has no name" in text) is seen
    assert ("row 29 is read" in text) is seen


def test_whoever_may_see_no_job_finds_none(windows: Callable[..., Window], site: Site) -> None:
    page = windows("outsider").page

    for path in (LIST, f"{LIST}{site.jobs['failed']}/change/", f"{LIST}{site.jobs['failed']}/log/"):
        page.goto(site.url + path)
        assert TASK not in page.content()


def test_hostile_text_is_only_text(window: Window, site: Site) -> None:
    page = window.open(f"{LIST}{site.jobs['hostile']}/change/")
    window.settle()

    assert page.title() != "owned"
    assert page.locator('img[src="x"]').count() == 0
    assert HOSTILE[:40] in page.locator(".jm").inner_text()
    assert "hunter2" not in page.content()
    assert window.complaints == []


def _history(page: Page) -> str:
    return page.locator(".jm section, .jm .jm-card", has_text="History").last.inner_text()
