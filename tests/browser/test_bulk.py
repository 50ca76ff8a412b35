"""One verb for many jobs, from the ticks in the list to the history of each."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import pytest

from tests.browser.screens import LIST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Locator, Page

    from tests.browser.sites import Site
    from tests.browser.windows import Window

    #: Makes so many failed jobs and returns the address of the list of them.
    Crowd = Callable[[int], str]

#: The button that takes the first step of an action; Django 5.2 and 6.1 call it differently.
RUN: Final = "button[name=index]"


@pytest.fixture
def crowd(site: Site) -> Iterator[Crowd]:
    """Copies of the failed job in a queue of their own, older than all others."""
    queue = f"crowd-{uuid4().hex[:8]}"
    failed = (UUID(site.jobs["failed"]).hex,)

    def crowd(number: int) -> str:
        with closing(sqlite3.connect(site._file, timeout=20)) as database, database:
            database.row_factory = sqlite3.Row
            row = dict(database.execute("SELECT * FROM jobman_job WHERE id = ?", failed).fetchone())
            copies = [_copied(row, queue) for _ in range(number)]
            names, marks = ",".join(f'"{name}"' for name in row), ",".join("?" * len(row))
            sql = f"INSERT INTO jobman_job ({names}) VALUES ({marks})"  # noqa: S608 - our own names
            database.executemany(sql, [list(copy.values()) for copy in copies])
        return f"{LIST}?queue={queue}"

    yield crowd
    with closing(sqlite3.connect(site._file, timeout=20)) as database, database:
        database.execute("DELETE FROM jobman_job WHERE queue = ?", (queue,))


def _copied(row: dict[str, Any], queue: str) -> dict[str, Any]:
    key = f"000000000000{uuid4().hex[12:]}"
    return {**row, "id": key, "task_id": str(UUID(key)), "queue": queue}


def tick(page: Page, number: int) -> None:
    """Tick the first rows of the list."""
    for box in page.locator("#result_list input.action-select").all()[:number]:
        box.check()


def choose(page: Page, action: str) -> Locator:
    """Choose an action and take its first step; return the form of the second."""
    page.locator("select[name=action]").select_option(action)
    page.locator(RUN).click()
    form = page.locator(".jm-form")
    form.wait_for()
    return form


def submit(form: Locator) -> None:
    form.locator("button[type=submit]").click()


@pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])
def test_two_jobs_are_ticked_and_retried(
    windows: Callable[..., Window], crowd: Crowd, *, javascript: bool
) -> None:
    window = windows(javascript=javascript)
    page = window.open(crowd(3))
    tick(page, 2)

    form = choose(page, "retry_jobs")
    assert "Retry 2 jobs" in page.locator("h1").inner_text()
    assert "ValueError: 2" in page.locator(".jm").inner_text()
    form.get_by_role("textbox", name="Reason").fill("the list is mended")
    submit(form)

    page.get_by_text("2 retried", exact=True).wait_for()
    page.locator("#result_list .jm-task").first.click()
    history = page.locator(".jm section, .jm .jm-card", has_text="History").last
    assert "the list is mended" in history.inner_text()
    assert "root" in history.inner_text()
    assert window.complaints == []


def test_all_that_match_are_more_than_the_page(window: Window, crowd: Crowd) -> None:
    page = window.open(crowd(55))
    page.locator("#action-toggle").check()
    page.get_by_role("button", name="Select all that match").click()
    page.get_by_text("All jobs that match are selected").wait_for()

    form = choose(page, "retry_jobs")
    assert "All jobs that match the filter: queue: crowd-" in page.locator(".jm").inner_text()
    form.get_by_role("radio", name="Spread evenly").check()
    submit(form)

    page.get_by_text("55 retried", exact=True).wait_for()
    page.get_by_role("link", name="Scheduled").click()
    page.locator(".jm-badge", has_text="Retrying in").first.wait_for()
    assert window.complaints == []


def test_without_scripts_all_that_match_are_a_box(
    windows: Callable[..., Window], crowd: Crowd
) -> None:
    page = windows(javascript=False).open(crowd(55))
    tick(page, 1)
    page.get_by_role("checkbox", name="All that match").check()

    submit(choose(page, "forget_jobs"))

    page.get_by_text("55 deleted", exact=True).wait_for()
    page.get_by_text("No jobs match.").wait_for()


def test_of_a_crowd_the_number_must_be_typed(window: Window, crowd: Crowd, site: Site) -> None:
    page = window.open(crowd(1001))
    page.locator("#action-toggle").check()
    page.get_by_role("button", name="Select all that match").click()

    form = choose(page, "forget_jobs")
    assert "More jobs match. One action takes the newest 1,000" in page.locator(".jm").inner_text()
    before = site.dump()
    number = form.get_by_label("Type the number of jobs to confirm")
    number.fill("100")
    submit(form)

    page.get_by_text("This is not the number of jobs.").wait_for()
    assert site.dump() == before
    assert window.complaints == []


def test_a_form_that_was_overtaken_leaves_the_jobs_alone(
    windows: Callable[..., Window], crowd: Crowd
) -> None:
    address = crowd(2)
    late, quick = windows(), windows()
    forms = []
    for window in (late, quick):
        window.open(address)
        tick(window.page, 2)
        forms.append(choose(window.page, "retry_jobs"))
    submit(forms[1])
    quick.page.get_by_text("2 retried", exact=True).wait_for()

    submit(forms[0])

    late.page.get_by_text("0 retried, 2 skipped").wait_for()
    assert late.complaints == []


@pytest.mark.parametrize(
    ("user", "offered"),
    [
        ("reader", []),
        ("canceller", ["cancel_jobs"]),
        ("retrier", ["retry_jobs"]),
        (
            "root",
            [
                "cancel_jobs",
                "retry_jobs",
                "reschedule_jobs",
                "change_priority_of_jobs",
                "forget_jobs",
            ],
        ),
    ],
)
def test_a_user_is_offered_what_the_permissions_allow(
    windows: Callable[..., Window], user: str, offered: list[str]
) -> None:
    page = windows(user).open(LIST)

    options = page.locator("select[name=action] option").all()

    assert [one.get_attribute("value") for one in options if one.get_attribute("value")] == offered


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_of_an_action_is_for_everybody(
    window: Window, crowd: Crowd, *, dark: bool
) -> None:
    page = window.open(crowd(55))
    window.recolour(dark=dark)
    page.locator("#action-toggle").check()
    page.get_by_role("button", name="Select all that match").wait_for()
    assert window.violations() == []

    choose(page, "retry_jobs")

    assert window.violations() == []
    window.narrow(390)
    assert window.overflow() == []
    assert window.complaints == []


def test_everything_is_done_by_the_keyboard(window: Window, crowd: Crowd) -> None:
    page = window.open(crowd(2))
    page.locator("[data-live]").select_option("off")  # renewed rows would lose their marks
    reached = _walk(page)
    assert _in_reach(page) - reached == set()

    _to(page, "#result_list input.action-select")
    page.keyboard.press("Space")
    _to(page, "select[name=action]", "Shift+Tab")
    page.keyboard.type("Retry")
    _to(page, RUN)
    page.keyboard.press("Enter")
    page.locator(".jm-form").wait_for()
    _to(page, "textarea[name=reason]")
    page.keyboard.type("by hand")
    _to(page, ".jm-form button[type=submit]")
    page.keyboard.press("Enter")

    page.get_by_text("1 retried", exact=True).wait_for()
    assert window.complaints == []


#: Numbers what can be pressed in our part, so that each can be named.
MARK = """() => {
    const seen = [...document.querySelectorAll(
        "#changelist :is(a[href], button, input, select, summary)"
    )].filter((one) => one.type !== "hidden" && one.tabIndex >= 0 && one.checkVisibility());
    seen.forEach((one, number) => { one.dataset.mark = number; });
    return seen.map((one) => one.dataset.mark);
}"""
FOCUSED = "() => document.activeElement?.dataset.mark ?? null"


def _in_reach(page: Page) -> set[str]:
    found: list[str] = page.evaluate(MARK)
    assert found
    return set(found)


def _walk(page: Page, presses: int = 200) -> set[str]:
    """Press Tab, also past the page's end, until all marks were reached; return those that were.

    Django 5.2 has the filters behind the list and 6.1 before it.
    """
    expected = _in_reach(page)
    reached: set[str | None] = set()
    page.locator("#searchbar").focus()
    while presses and expected - reached:
        reached.add(page.evaluate(FOCUSED))
        page.keyboard.press("Tab")
        presses -= 1
    return {mark for mark in reached if mark}


def _to(page: Page, selector: str, key: str = "Tab") -> None:
    """Press a key until what is meant has the focus."""
    for _ in range(150):
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
        page.keyboard.press(key)
    pytest.fail(f"{selector} is not reached by {key}")
