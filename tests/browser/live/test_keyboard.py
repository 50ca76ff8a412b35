"""From the admin's front page to a retry from the step that failed, without a mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.browser.live.reading import region, rows, wait_for_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.browser.live.shops import Shop
    from tests.browser.windows import Window

#: Nobody presses the tab key more often than this to reach something.
ENOUGH: Final = 80

#: What has the focus: its text, or for a field the text of its label.
FOCUSED: Final = """() => {
    const one = document.activeElement;
    const labels = [...(one.labels ?? [])].map((label) => label.textContent);
    return (labels.join(" ") || one.textContent).replace(/\\s+/g, " ").trim();
}"""

ADDRESS: Final = "() => document.activeElement.href ?? ''"

#: Whether the focus can be seen.
VISIBLE: Final = """() => {
    const style = getComputedStyle(document.activeElement);
    const ringed = style.outlineStyle !== "none" || style.boxShadow !== "none";
    return ringed || style.textDecorationLine === "underline" || style.borderStyle !== "none";
}"""


def tab_to(page: Page, text: str, *, leading_to: str = "") -> None:
    """Press the tab key until what has the focus begins with a text, and leads somewhere."""
    for _ in range(ENOUGH):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED).startswith(text) and leading_to in page.evaluate(ADDRESS):
            assert page.evaluate(VISIBLE), f"the focus on {text!r} cannot be seen"
            return
    raise AssertionError(f"{text!r} is not reached by {ENOUGH} tabs at {page.url}")


def press(page: Page, text: str, *, leading_to: str = "") -> None:
    """Reach a link or a button with the tab key, press Enter, and wait for the page."""
    tab_to(page, text, leading_to=leading_to)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_a_job_is_retried_from_its_step_by_keyboard(
    shop: Shop, windows: Callable[..., Window]
) -> None:
    shop.post.is_down = True
    job = shop.import_branches()
    window = windows()
    page = window.open(shop.page(job))
    wait_for_state(page, "Failed")
    shop.post.is_down = False
    page = window.open("/admin/")

    press(page, "Jobs")
    press(page, "Failed")
    press(page, "", leading_to=job)
    press(page, "Retry from step…")
    tab_to(page, "report")
    assert page.evaluate("() => document.activeElement.checked")
    page.keyboard.press("Space")
    tab_to(page, "Reason")
    page.keyboard.type("no mouse")
    press(page, "Retry from this step")

    wait_for_state(page, "Succeeded")
    assert "no mouse" in rows(region(page, "history"))[0]
    assert window.complaints == []
