"""The log while it grows: what the script appends, keeps, leaves out and asks for.

The answers of the log's address are made here, so that a log grows as fast as a test wants.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.screens import LIST

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

    from tests.browser.sites import Site
    from tests.browser.windows import Window


class Log:
    """Answers like the log's address does."""

    def __init__(self) -> None:
        self.ready: list[dict[str, Any]] = []
        self.asked: list[dict[str, list[str]]] = []
        self.last = 1_000_000

    def lines(self, count: int, level: str = "INFO", text: str = "line") -> list[list[Any]]:
        first = self.last + 1
        self.last += count
        return [
            [key, "12:00:00.000", level, "", f"{text} {key}"] for key in range(first, first + count)
        ]

    def say(self, lines: list[list[Any]], **more: Any) -> None:
        cursor = lines[-1][0] if lines else self.last
        answer = {"lines": lines, "cursor": cursor, "skipped": 0, "through": True, "eof": False}
        self.ready.append({**answer, **more})

    def answer(self, route: Route) -> None:
        self.asked.append(parse_qs(urlsplit(route.request.url).query))
        if not self.ready:
            self.say([])
        route.fulfill(body=json.dumps(self.ready.pop(0)), content_type="application/json")


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def page(window: Window, site: Site, log: Log) -> Page:
    """The page of a running job whose log is in view."""
    window.page.route("**/log/?*", log.answer)
    page = window.open(f"{LIST}{site.jobs['running']}/change/")
    _box(page).scroll_into_view_if_needed()
    return page


def _box(page: Page) -> Locator:
    return page.locator("[data-jobman-log-box]")


def _up(page: Page) -> None:
    _box(page).hover()
    page.mouse.wheel(0, -600)
    page.locator('[data-jobman-log-follow][aria-pressed="false"]').wait_for()


def _follow(page: Page) -> Locator:
    return page.locator("[data-jobman-log-follow]")


def _held(page: Page) -> int:
    count: int = page.evaluate(
        "document.querySelector('[data-jobman-log-box]').textContent.split('\\n').length - 1"
    )
    return count


def _at_end(page: Page) -> bool:
    found: bool = page.evaluate(
        "(b => b.scrollHeight - b.scrollTop - b.clientHeight < 8)"
        "(document.querySelector('[data-jobman-log-box]'))"
    )
    return found


def test_new_lines_appear_marked_and_as_text(window: Window, page: Page, log: Log) -> None:
    log.say([*log.lines(3, text="<img src=x>"), *log.lines(1, "ERROR", "bad"), *log.lines(2)])

    page.get_by_text("bad 1000004").wait_for()

    assert "<img src=x> 1000001" in _box(page).inner_text()
    assert page.locator(".jm-log-box img").count() == 0
    assert page.locator(".jm-log-error").last.inner_text().endswith("bad 1000004\n")
    assert _at_end(page)
    assert window.complaints == []


def test_the_script_asks_for_what_follows_and_stops_at_the_end(page: Page, log: Log) -> None:
    log.say(log.lines(1), eof=True)
    log.say(log.lines(1, text="late"), eof=True)

    page.get_by_text("late").wait_for()
    page.get_by_text("The log is complete.").wait_for()
    asked = len(log.asked)
    page.wait_for_timeout(2_500)  # longer than the script would wait

    assert len(log.asked) == asked
    assert log.asked[-1]["after"] == ["1000001"]
    assert _follow(page).is_hidden()


def test_no_more_than_ten_thousand_lines_are_kept_while_following(page: Page, log: Log) -> None:
    for _ in range(7):
        log.say(log.lines(2_000), through=False)
    last = log.last

    page.get_by_text("Older lines were left out").wait_for()
    page.get_by_text(f"line {last}").wait_for()

    assert 10_000 <= _held(page) < 10_400
    assert page.locator(".jm-log-chunk").count() <= 53
    assert _at_end(page)


def test_a_reader_who_scrolls_up_keeps_the_place_and_sees_how_much_is_new(
    window: Window, page: Page, log: Log
) -> None:
    log.say(log.lines(900))
    page.get_by_text("line 1000900").wait_for()
    _up(page)
    before = _box(page).evaluate("box => box.scrollTop")

    log.say(log.lines(1_240))
    page.get_by_role("button", name="Follow (1,240 new)").wait_for()

    assert abs(_box(page).evaluate("box => box.scrollTop") - before) < 2
    page.get_by_role("button", name="Follow (1,240 new)").click()
    assert _follow(page).inner_text() == "Following"
    assert _at_end(page)
    assert window.complaints == []


def test_keys_count_only_inside_the_log(page: Page, log: Log) -> None:
    log.say(log.lines(300))
    page.get_by_text("line 1000300").wait_for()

    page.locator(".jm-log-filter input[name=find]").press("f")
    assert _follow(page).get_attribute("aria-pressed") == "true"
    _box(page).press("f")
    assert _follow(page).get_attribute("aria-pressed") == "false"
    _box(page).press("End")
    assert _follow(page).get_attribute("aria-pressed") == "true"


def test_a_full_box_pauses_and_goes_on_when_asked(page: Page, log: Log) -> None:
    log.say(log.lines(900))
    page.get_by_text("line 1000900").wait_for()
    _up(page)
    for _ in range(25):
        log.say(log.lines(2_000), through=False)

    page.get_by_text("Paused: too many lines are held.").wait_for()
    asked = len(log.asked)
    page.wait_for_timeout(2_500)  # longer than the script would wait

    assert len(log.asked) == asked
    _follow(page).click()
    log.say(log.lines(1, text="on again"))
    page.get_by_text("on again").wait_for()
    assert _held(page) < 10_400


def test_skipped_lines_are_loaded_on_demand(window: Window, page: Page, log: Log) -> None:
    missing = log.lines(2_300, text="missing")
    log.say(log.lines(200), skipped=2_300)
    page.get_by_text("2,300 lines skipped").wait_for()
    log.say(missing[:2_000], through=False)
    page.get_by_role("button", name="load").click()
    page.get_by_text("300 lines skipped", exact=False).wait_for()
    log.say(missing[2_000:])
    page.get_by_role("button", name="load").click()
    page.locator(".jm-log-gap").wait_for(state="detached")

    text = _box(page).evaluate("box => box.textContent")
    numbers = [int(row.rsplit(" ", 1)[1]) for row in text.splitlines() if " missing " in row]
    assert numbers == [key for key, *_ in missing]
    assert text.index("missing 1002300") < text.index("line 1002301")
    assert any(asked.get("before") == ["1002301"] for asked in log.asked)
    assert window.complaints == []


def test_a_log_out_of_sight_asks_for_nothing(window: Window, site: Site, log: Log) -> None:
    window.page.route("**/log/?*", log.answer)
    window.narrow(390)
    page = window.open(f"{LIST}{site.jobs['running']}/change/")
    page.evaluate("window.scrollTo(0, 0)")
    assert _box(page).evaluate("box => box.getBoundingClientRect().top > innerHeight")
    page.wait_for_timeout(1_500)

    assert log.asked == []
    _box(page).scroll_into_view_if_needed()
    log.say(log.lines(1, text="seen"))
    page.get_by_text("seen 1000001").wait_for()


def test_lines_wrap_until_told_otherwise(page: Page, log: Log) -> None:
    log.say(log.lines(1, text="wide " * 200))
    page.get_by_text("1000001").wait_for()
    sideways = "box => box.scrollWidth > box.clientWidth + 1"

    assert not _box(page).evaluate(sideways)
    page.get_by_role("button", name="Wrap").click()
    assert _box(page).evaluate(sideways)
