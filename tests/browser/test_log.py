"""The log while it grows: what the script appends, keeps, leaves out and asks for.

The answers of the log's address are made here, so that a log grows as fast as a test wants.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.floods import PACE, Flood, Log
from tests.browser.screens import LIST

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.browser.sites import Site
    from tests.browser.windows import Window


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def page(window: Window, site: Site, log: Log) -> Page:
    """The page of a running job whose log is in view."""
    return _opened(window, site, log)


def _opened(window: Window, site: Site, log: Log) -> Page:
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


def test_a_stroke_inside_the_log_goes_to_the_find_box_and_is_text_there(page: Page) -> None:
    find = page.locator(".jm-log-filter input[name=find]")

    page.locator("[data-jobman-copy]").first.press("/")
    assert not find.evaluate("field => field === document.activeElement")
    _box(page).press("/")
    assert find.evaluate("field => field === document.activeElement")
    assert find.input_value() == ""
    find.press("/")
    assert find.input_value() == "/"


def test_the_log_fills_the_screen_and_gives_it_back(window: Window, page: Page) -> None:
    button = page.get_by_role("button", name="Full screen")

    button.click()
    page.locator('[data-jobman-log-screen][aria-pressed="true"]').wait_for()
    section = page.locator("[data-jobman-log]")
    assert section.evaluate("section => section === document.fullscreenElement")
    button.click()
    page.locator('[data-jobman-log-screen][aria-pressed="false"]').wait_for()
    assert window.complaints == []


def test_groups_of_hits_are_parted_and_lines_given_again_are_not_shown_again(
    page: Page, log: Log
) -> None:
    first, second, third, fourth = log.lines(4)
    log.say([first, second], around=[second[0]], breaks=[[first[0], 0]])
    page.get_by_text(second[-1]).wait_for()
    log.say(
        [second, third, fourth],
        around=[second[0], third[0]],
        breaks=[[second[0], first[0]], [fourth[0], 7]],
    )
    page.get_by_text(fourth[-1]).wait_for()

    shown = _box(page).evaluate("box => box.textContent").splitlines()
    tail = [row.rpartition(" ")[2] for row in shown[-5:]]
    assert tail == [str(first[0]), str(second[0]), str(third[0]), "--", str(fourth[0])]
    assert page.locator(".jm-log-near").all_inner_texts()[-1].endswith(f"{third[-1]}\n")


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
    page.get_by_text("too fast to show: 2,300").wait_for()
    log.say(missing[:2_000], through=False)
    page.get_by_role("button", name="load").click()
    page.get_by_text("too fast to show: 300").wait_for()
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


def test_a_thousand_lines_a_second_arrive_in_order_and_can_be_found_and_copied(
    window: Window, site: Site
) -> None:
    count = 6 * PACE
    page = _opened(window, site, Flood(count))
    last = 1_000_000 + count
    page.get_by_text(f"line {last}").wait_for()

    text = _box(page).evaluate("box => box.textContent")
    numbers = [int(number) for number in re.findall(r" (1\d{6})$", text, re.MULTILINE)]
    assert numbers == list(range(1_000_001, last + 1))
    nodes = _box(page).evaluate("box => box.querySelectorAll('*').length")
    assert nodes < count / 20
    assert _at_end(page)
    for number in (1_000_002, 1_003_001, last):
        assert page.evaluate(f"getSelection().removeAllRanges(), window.find(' {number}')")
    copied = page.evaluate(
        "box => (getSelection().selectAllChildren(box), getSelection().toString())",
        _box(page).element_handle(),
    )
    assert copied.count("\n") >= count - 1
    assert window.complaints == []
