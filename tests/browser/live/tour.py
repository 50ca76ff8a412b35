"""The tour: from the admin's front page to a retry from the step that failed, and its outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.browser.live.reading import wait_for_state

if TYPE_CHECKING:
    from playwright.sync_api import Locator, ViewportSize

    from tests.acceptance.gates import Gate
    from tests.browser.live.album import Album
    from tests.browser.live.shops import Shop
    from tests.browser.windows import Window

WIDE: Final[ViewportSize] = {"width": 1200, "height": 800}
NARROW: Final[ViewportSize] = {"width": 390, "height": 800}

#: The whole of a page below its header.
PAGE: Final = ".messagelist, #content"
#: Our parts of the list; what stands around them differs from one Django to the next.
LIST: Final = "#content .jm:not(.jm-list), #result_list"


@dataclass(kw_only=True)
class Tour:
    """One walk through a shop."""

    shop: Shop
    window: Window
    album: Album
    clicks: int = 0
    gates: list[Gate] = field(default_factory=list)

    def walk(self) -> None:
        """Go from stop to stop."""
        page = self.window.page
        page.set_viewport_size(WIDE)
        task_id = self._open_the_shop()
        self._find_out(task_id)
        self._retry(task_id)
        self._look_back()

    def _open_the_shop(self) -> str:
        """Have jobs of some kinds; return the task id of one that failed."""
        shop = self.shop
        self._until_the_end(shop.import_branches(limit=300), "Succeeded")
        self._until_the_end(shop.import_branches("heliports"), "Failed")
        shop.import_branches(countdown=6 * 3600)
        running = shop.hold("load", after=11)
        shop.import_branches(limit=2500, task_id=running.tag)
        running.wait()
        self.gates.append(running)
        shop.post.is_down = True
        failing = shop.hold("load", after=100)  # never reached; it only names the task
        job = shop.import_branches(limit=4000, task_id=failing.tag)
        self._until_the_end(job, "Failed")
        failing.release()
        shop.post.is_down = False
        return failing.tag

    def _until_the_end(self, job_id: str, word: str) -> None:
        wait_for_state(self.window.open(self.shop.page(job_id)), word)

    def _find_out(self, task_id: str) -> None:
        page = self.window.open("/admin/")
        self._show("1-front", PAGE)
        self._click(page.locator("#content").get_by_role("link", name="Jobs", exact=True))
        page.locator(".jm-tabs [data-count]", has_text="1").first.wait_for()
        self._show("2-list", LIST)
        self._click(page.locator(".jm-tabs").get_by_role("link", name="Failed"))
        self._click(page.locator("#result_list").get_by_role("link", name="import_branches").first)
        page.get_by_text(task_id).first.wait_for()
        self._show("3-job", PAGE)
        names = ("timeline", "attempts", "log")
        self._show("4-why", *(f'[data-jobman-region="{name}"]' for name in names))

    def _retry(self, task_id: str) -> None:
        page = self.window.page
        self._click(page.get_by_role("link", name="Retry from step…"))
        page.get_by_role("textbox", name="Reason").fill("The mailbox was emptied")
        self._show("5-step", PAGE)
        held = self.shop.hold("report", task_id=task_id)
        self._click(page.get_by_role("button", name="Retry from this step"))
        held.wait()
        self.gates.append(held)
        wait_for_state(page, "Running")
        self._show("6-runs", PAGE)
        held.release()
        wait_for_state(page, "Succeeded")

    def _look_back(self) -> None:
        page = self.window.page
        page.reload()
        self._show("7-history", '[data-jobman-region="history"]')
        self.window.recolour(dark=True)
        self._show("8-dark", '[data-jobman-region="timeline"]', '[data-jobman-region="attempts"]')
        self.window.recolour(dark=False)
        page.set_viewport_size(NARROW)
        self._show("9-narrow", PAGE)

    def _click(self, what: Locator) -> None:
        self.clicks += 1
        what.click()

    def _show(self, name: str, *parts: str) -> None:
        """Show the first of some parts at the top of the window, and keep what all of them say."""
        page = self.window.page
        self.window.settle()
        found = page.locator(", ".join(parts))
        if parts[0] in {PAGE, LIST}:
            page.evaluate("() => scrollTo(0, 0)")
        else:
            found.first.evaluate("(part) => part.scrollIntoView()")
        self.album.add(name, page, "\n".join(found.all_inner_texts()))

    def close(self) -> None:
        """Let every job go on."""
        for gate in self.gates:
            gate.release()
