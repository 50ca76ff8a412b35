"""What the buttons do to jobs that workers really run, until the end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.live.reading import region, rows, wait_for, wait_for_state
from tests.browser.live.shops import IMPORT, NAP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

    from tests.browser.live.shops import Shop
    from tests.browser.windows import Window


@pytest.fixture
def window(windows: Callable[..., Window]) -> Iterator[Window]:
    """A window of root's that the browser has no reason to complain about."""
    window = windows()
    yield window
    assert window.complaints == []
    window.close()


@pytest.fixture
def failed(shop: Shop, window: Window) -> Page:
    """The page of an import that could not mail its report; mail works again by now."""
    shop.post.is_down = True
    page = window.open(shop.page(shop.import_branches()))
    wait_for_state(page, "Failed")
    shop.post.is_down = False
    return page


def submit(page: Page, button: str, reason: str) -> None:
    """Say why, and send the form."""
    page.get_by_role("textbox", name="Reason").fill(reason)
    page.get_by_role("button", name=button, exact=True).click()


def test_an_import_is_cancelled_at_its_next_checkpoint(shop: Shop, window: Window) -> None:
    gate = shop.hold("load", after=1)
    job = shop.import_branches(limit=20_000, task_id=gate.tag)
    gate.wait()
    page = window.open(shop.page(job))

    page.get_by_role("link", name="Cancel…").click()
    wait_for(page, re.compile("stops at its next checkpoint"))
    submit(page, "Cancel the job", "the wrong list")
    wait_for(page, re.compile(r"Cancelling|Cancelled"))
    gate.release()

    wait_for_state(page, "Cancelled")
    (told,) = rows(region(page, "history"))
    assert re.search(r"root .*Asked to stop.* the wrong list", told)
    assert "Cancelled" in rows(region(page, "attempts"))[0]


def test_a_job_without_checkpoints_is_cancelled_by_force(shop: Shop, window: Window) -> None:
    gate = shop.hold("awake")
    job = shop.enqueue(NAP, 300, task_id=gate.tag)
    gate.wait()
    gate.release()
    page = window.open(shop.page(job))

    page.get_by_role("link", name="Cancel…").click()
    submit(page, "Cancel the job", "it sleeps")
    page.get_by_role("link", name="Force…").click()
    submit(page, "Stop by force", "it still sleeps")

    wait_for_state(page, "Cancelled")
    history = "\n".join(rows(region(page, "history")))
    assert "it sleeps" in history
    assert "it still sleeps" in history


def test_a_failed_import_is_retried(failed: Page) -> None:
    wait_for(failed, re.compile("The mailbox is full"))

    failed.get_by_role("button", name="Retry", exact=True).click()

    wait_for_state(failed, "Succeeded")
    newest, first = rows(region(failed, "attempts"))
    assert "Succeeded" in newest
    assert "resumed from report" in newest
    assert "Failed" in first
    (told,) = rows(region(failed, "history"))
    assert re.search(r"root Retr", told)


def test_a_failed_import_is_retried_from_a_step(failed: Page) -> None:
    failed.get_by_role("link", name="Retry from step…").click()
    failed.get_by_role("radio", name="load").check()
    assert "Reuses fetch, validate; runs load, report." in failed.locator(".jm").inner_text()
    submit(failed, "Retry from this step", "the mail is back")

    wait_for(failed.locator("body"), "The job runs again from step load.")
    wait_for_state(failed, "Succeeded")
    newest, _first = rows(region(failed, "attempts"))
    assert "resumed from load" in newest
    (told,) = rows(region(failed, "history"))
    assert re.search(r"root .*load.* the mail is back", told)
    assert "fetch" in region(failed, "timeline").inner_text()


def test_arguments_are_edited_and_a_new_job_runs(shop: Shop, window: Window) -> None:
    page = window.open(shop.page(shop.import_branches("heliports")))
    wait_for_state(page, "Failed")
    wait_for(page, re.compile("no source 'heliports'"))
    old = page.url

    page.get_by_role("link", name="Edit and retry…").click()
    page.locator("#id_args").fill('["airports"]')
    page.get_by_role("button", name="Check").click()
    wait_for(page, "The arguments fit the task's signature.")
    submit(page, "Retry with new arguments", "there are only airports")

    assert "there are only airports" in region(page, "history").inner_text()
    page.locator(".messagelist a").click()
    wait_for_state(page, "Succeeded")
    assert page.url != old
    page.locator('[data-jobman-region="related"]').get_by_role("link", name=IMPORT).click()
    page.wait_for_url(old)
    wait_for_state(page, "Failed")


def test_a_double_click_retries_once(failed: Page) -> None:
    failed.get_by_role("button", name="Retry", exact=True).dblclick()

    wait_for_state(failed, "Succeeded")
    failed.reload()
    assert len(rows(region(failed, "attempts"))) == 2
    assert len(rows(region(failed, "history"))) == 1


def test_the_same_form_in_two_tabs_retries_once(failed: Page) -> None:
    address, second = failed.url, failed.context.new_page()
    for page in (failed, second):
        page.goto(address)
        page.get_by_role("link", name="Retry from step…").click()
    for page in (failed, second):
        submit(page, "Retry from this step", "twice")
    second.get_by_text("The job changed since you opened this page").wait_for()

    wait_for_state(failed, "Succeeded")
    failed.reload()
    assert len(rows(region(failed, "attempts"))) == 2
    assert len(rows(region(failed, "history"))) == 1
