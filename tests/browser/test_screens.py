"""What holds for every page: the policy, accessibility, a narrow window, no scripts."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.browser.screens import SCREENS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.sites import Site
    from tests.browser.windows import Window

BROKEN = "/broken/"


@pytest.fixture(scope="module", params=list(SCREENS.values()), ids=list(SCREENS))
def address(request: pytest.FixtureRequest, site: Site) -> str:
    template: str = request.param
    return template.format(**site.jobs)


@pytest.fixture(scope="module")
def scripted(windows: Callable[..., Window]) -> Window:
    """The window that all pages are looked at in, so that it keeps their files."""
    return windows()


@pytest.fixture(scope="module")
def plain(windows: Callable[..., Window]) -> Window:
    """The window without scripts."""
    return windows(javascript=False)


@pytest.fixture(scope="module")
def opened(scripted: Window, address: str) -> Window:
    """The page, which all its checks share, with what its scripts did to it."""
    scripted.narrow(1280)
    scripted.complaints.clear()
    scripted.open(address)
    scripted.settle()
    return scripted


def test_a_page_gives_the_browser_no_reason_to_complain(opened: Window) -> None:
    assert opened.complaints == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_page_is_accessible(opened: Window, *, dark: bool) -> None:
    opened.recolour(dark=dark)

    assert opened.violations() == []


@pytest.mark.parametrize("width", [640, 390, 320], ids=["zoom", "phone", "small phone"])
def test_a_page_does_not_scroll_sideways(opened: Window, width: int) -> None:
    opened.narrow(width)

    assert opened.overflow() == []


def test_a_page_says_the_same_without_scripts(opened: Window, plain: Window, address: str) -> None:
    plain.open(address)
    opened.narrow(1280)

    told, said = (Counter(map(_timeless, each.facts())) for each in (opened, plain))

    assert said
    assert told - said == Counter()


def _timeless(fact: str) -> str:
    """Return a fact without its durations, which differ from one look to the next."""
    return re.sub(r"(\d+(\.\d+)?(ms|s|m|h|d)\b ?)+(ago)?|just now", "…", fact).strip()


def test_a_broken_page_is_noticed(window: Window) -> None:
    page = window.open(BROKEN)
    window.settle()
    window.narrow(390)
    told = "\n".join(window.complaints)

    assert page.title() == "Broken"
    assert "policy: script-src" in told
    assert "policy: style-src" in told
    assert "404" in told
    assert [line for line in window.violations() if line.startswith("button-name")]
    assert window.overflow()
