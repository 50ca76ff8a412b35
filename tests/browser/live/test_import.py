"""An import in the browser: it moves, its worker is killed, and it goes on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.browser.live.reading import region, rows, wait_for, wait_for_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.browser.live.shops import Shop
    from tests.browser.windows import Window


def progress(page: Page, packs: int) -> None:
    """Wait until the bar stands at so many packs."""
    page.locator(f'progress[value="{packs}"]').wait_for()


def test_an_import_moves_while_it_is_watched(shop: Shop, windows: Callable[..., Window]) -> None:
    gate = shop.hold("load", after=3)
    window = windows()
    job = shop.import_branches(limit=1200, task_id=gate.tag)
    gate.wait()
    page = window.open(shop.page(job))
    page.evaluate("() => { window.untouched = true; }")

    wait_for_state(page, "Running")
    progress(page, 4)
    assert "step 3 of 4 “load”" in region(page, "header").inner_text()
    page.locator("[data-jobman-log-box]").scroll_into_view_if_needed()
    wait_for(page, re.compile(r"Saved pack=4"))

    shop.move(gate, after=3)
    progress(page, 8)
    wait_for(page, re.compile(r"Saved pack=8"))
    assert "4 of 12" not in region(page, "progress").inner_text()

    gate.release()
    wait_for_state(page, "Succeeded")
    wait_for(page, re.compile(r"Report mailed"))
    assert "8 of 12" not in page.locator(".jm").inner_text()
    assert page.evaluate("() => window.untouched")
    assert window.complaints == []


def test_a_killed_worker_is_told_of_and_made_up_for(
    shop: Shop, windows: Callable[..., Window]
) -> None:
    gate = shop.hold("load", after=3)
    window = windows()
    job = shop.import_branches(limit=1200, task_id=gate.tag)
    gate.wait()
    page = window.open(shop.page(job))
    progress(page, 4)

    shop.worker.kill()
    wait_for(page, re.compile(r"last seen .*(a live worker takes|no worker is alive to take) it"))
    assert shop.worker.is_alive  # the one that came in its place

    wait_for_state(page, "Succeeded")
    wait_for(page, re.compile(r"attempt 2"))
    newest, first = rows(region(page, "attempts"))
    assert "Succeeded" in newest
    assert "resumed from load" in newest
    assert "Lost" in first
    assert "Lost" in region(page, "timeline").inner_html()
    assert window.complaints == []
