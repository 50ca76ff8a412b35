"""Windows that stay open: one loses its connection, one is left and come back to."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Final

import pytest

from tests.browser.live.reading import wait_for_state
from tests.browser.windows import ARGUMENTS, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Route

    from tests.browser.live.shops import Shop

POLLS: Final = "**/state/**"
JOB: Final = re.compile(r"/change/$")
LOST: Final = re.compile(r"Connection lost . last update \d+ s ago, retrying")

#: Playwright asks for it; without it the browser keeps pages as people's browsers do.
FORGETFUL: Final = "--disable-back-forward-cache"


def test_a_window_says_that_it_lost_the_connection_and_catches_up(
    shop: Shop, windows: Callable[..., Window]
) -> None:
    gate = shop.hold("load", after=1)
    job = shop.import_branches(limit=1200, task_id=gate.tag)
    gate.wait()
    cut_off, other = windows().open(shop.page(job)), windows().open(shop.page(job))

    cut_off.route(POLLS, lambda route: route.abort())
    cut_off.get_by_text(LOST).first.wait_for()
    shop.move(gate, after=1)
    other.locator('progress[value="4"]').wait_for()
    assert cut_off.locator('progress[value="2"]').is_visible()
    assert other.get_by_text(LOST).count() == 0

    cut_off.unroute(POLLS)
    cut_off.locator('progress[value="4"]').wait_for()
    assert not cut_off.locator("[data-jobman-lost]").is_visible()
    gate.release()
    for page in (cut_off, other):
        wait_for_state(page, "Succeeded")


@pytest.fixture
def lasting(browser: Browser, shop: Shop) -> Iterator[Window]:
    """A window of a browser that keeps the page one leaves, for when one comes back."""
    remembering = browser.browser_type.launch(
        executable_path=shutil.which("chromium"),
        args=list(ARGUMENTS),
        ignore_default_args=[FORGETFUL],
    )
    window = Window(remembering, shop.site.url, shop.site.sessions["root"], javascript=True)
    yield window
    window.close()
    remembering.close()


def stored(route: Route) -> None:
    """Let the browser keep a page that Django's admin asks it not to store."""
    response = route.fetch()
    route.fulfill(response=response, headers={**response.headers, "cache-control": "private"})


@pytest.mark.parametrize("kept", [True, False], ids=["kept by the browser", "loaded again"])
def test_a_page_that_one_comes_back_to_goes_on(shop: Shop, lasting: Window, *, kept: bool) -> None:
    gate = shop.hold("load", after=1)
    job = shop.import_branches(limit=1200, task_id=gate.tag)
    gate.wait()
    if kept:
        lasting.page.route(JOB, stored)
    page = lasting.open(shop.page(job))
    page.locator('progress[value="2"]').wait_for()
    page.evaluate("() => { window.kept = true; }")

    page.locator(".breadcrumbs").get_by_role("link", name="Jobs", exact=True).click()
    page.get_by_role("button", name="Search").wait_for()
    shop.move(gate, after=1)
    page.go_back(wait_until="commit")

    page.locator('progress[value="4"]').wait_for()
    assert page.evaluate("() => Boolean(window.kept)") is kept
    gate.release()
    wait_for_state(page, "Succeeded")
    assert lasting.complaints == []
