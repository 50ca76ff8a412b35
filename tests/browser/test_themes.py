"""The pages in other clothes: themes of the admin, right to left, forced colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.browser.screens import KINDS, LIST, PAGES
from tests.browser.sites import serving
from tests.browser.windows import CONTRAST, OURS, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    from tests.browser.sites import Site

THEMES: Final = ("unfold", "jazzmin", "grappelli")

#: A page of each theme that has nothing of ours.
STOCK: Final = "/admin/auth/user/"

#: The page that asks before it acts on many, which is reached by a form of the list.
BULK: Final = "cancelling several"
ASK: Final = """() => {
    const ticks = [...document.querySelectorAll("input[name=_selected_action]")].slice(0, 3);
    ticks.forEach((tick) => { tick.checked = true; });
    const choice = ticks[0].form.querySelector("select[name=action]");
    choice.value = [...choice.options].find((one) => one.text === "Cancel…").value;
    HTMLFormElement.prototype.submit.call(ticks[0].form);
}"""

#: Buttons whose label does not fit, fields without a border, and what is too small to hit.
UNUSABLE: Final = """() => [...document.querySelectorAll(".jm .jm-btn, .jm .jm-field")].filter(
    (one) => one.checkVisibility()
).filter((one) => {
    const look = getComputedStyle(one);
    const cut = one.matches(".jm-btn") && (!one.innerText.trim()
        || one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1);
    const bare = look.borderTopStyle === "none" || parseFloat(look.borderTopWidth) < 1;
    return cut || bare || one.getBoundingClientRect().height < 24;
}).map((one) => one.outerHTML.slice(0, 200))"""

#: How much wider the document is than the window.
SIDEWAYS: Final = """() => {
    const box = document.scrollingElement;
    return box.scrollWidth - box.clientWidth;
}"""

MOVING: Final = """() => document.getAnimations().filter(
    (one) => one.playState === "running" && one.effect.target.closest(".jm")
).length"""


@pytest.fixture(scope="module", params=THEMES)
def dressed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The site in a theme."""
    with serving(tmp_path_factory.mktemp("dressed"), theme=request.param) as site:
        yield site


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site in a language that runs from right to left."""
    with serving(tmp_path_factory.mktemp("mirrored"), language="he") as site:
        yield site


@pytest.fixture(scope="module")
def look(browser: Browser, dressed: Site) -> Iterator[Callable[..., Window]]:
    """Give a window of the themed site; it is the same each time, and keeps the theme's files."""
    opened: dict[tuple[bool, bool], Window] = {}

    def window(*, lenient: bool = False, dark: bool = False) -> Window:
        key = (lenient, dark)
        if key not in opened:
            opened[key] = _window(browser, dressed, lenient=lenient)
            opened[key].page.emulate_media(color_scheme="dark" if dark else "light")
        return opened[key]

    yield window
    for each in opened.values():
        each.close()


@pytest.fixture(scope="module")
def mirror(browser: Browser, mirrored: Site) -> Iterator[Window]:
    """A window of the mirrored site."""
    window = _window(browser, mirrored)
    yield window
    window.close()


def _window(browser: Browser, site: Site, *, lenient: bool = False) -> Window:
    return Window(browser, site.url, site.sessions["root"], lenient=lenient)


def show(window: Window, site: Site, screen: str) -> Page:
    """Open a screen by its title."""
    window.narrow(1280)
    window.complaints.clear()
    page = window.open(KINDS.get(screen, LIST).format(**site.jobs))
    if screen == BULK:
        with page.expect_navigation():
            page.evaluate(ASK)
        page.get_by_role("heading", name="Cancel 3 jobs").wait_for()
    else:
        window.settle()
    return page


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("screen", [*KINDS, BULK])
def test_a_page_is_whole_and_readable_in_a_theme(
    dressed: Site, look: Callable[..., Window], screen: str, *, dark: bool
) -> None:
    window = look(lenient=True, dark=dark)
    page = show(window, dressed, screen)
    window.recolour(dark=dark)

    assert page.locator(".jm .jm-badge").first.is_visible()
    assert page.locator(".jm .jm-btn").count() > 1
    assert screen == "the list" or page.locator(".jm > h1").is_visible()
    assert not screen.startswith("a ") or page.locator(".jm-log-box").is_visible()
    assert page.evaluate(UNUSABLE) == []
    assert window.violations(CONTRAST, part=OURS) == []
    assert page.evaluate(SIDEWAYS) <= 1
    window.narrow(390)
    assert page.evaluate(SIDEWAYS) <= 1
    assert page.evaluate(UNUSABLE) == []
    assert window.complaints == []


@pytest.fixture(scope="module")
def usual(look: Callable[..., Window]) -> set[str]:
    """What a page of the theme's own breaks of the policy."""
    window = look()
    window.complaints.clear()
    window.open(STOCK)
    window.settle()
    return {_kind(line) for line in _broken(window)}


@pytest.mark.parametrize("screen", [*KINDS, BULK])
def test_a_page_breaks_the_policy_no_more_than_its_theme(
    dressed: Site, look: Callable[..., Window], usual: set[str], screen: str
) -> None:
    window = look()
    show(window, dressed, screen)

    broken = _broken(window)

    assert {_kind(line) for line in broken} <= usual
    assert not [line for line in broken if _ours(line)]


def _broken(window: Window) -> list[str]:
    """Return the directives that were broken, and by which file."""
    parts = [complaint.partition("policy: ")[2] for complaint in window.complaints]
    return [part.partition(" {")[0] for part in parts if part]


def _ours(line: str) -> bool:
    # A theme's fonts are asked for by whichever script first measures the page.
    return "in our part" in line or ("jobman/" in line and not line.startswith("font-src"))


def _kind(line: str) -> str:
    """Return the directive, and the folder of what was kept out."""
    directive, blocked, *_ = line.split(" ")
    return f"{directive} {blocked.rpartition('/')[0]}"


def test_the_next_page_of_the_list_can_be_turned_to(
    dressed: Site, look: Callable[..., Window]
) -> None:
    page = look(lenient=True).open(f"{LIST}?_after={dressed.jobs['to overtake']}")

    page.get_by_role("link", name="Newest").click()

    page.locator("[data-job]").first.wait_for()
    assert "_after" not in page.url


@pytest.mark.parametrize("screen", [*KINDS, BULK])
def test_a_page_runs_from_right_to_left(mirrored: Site, mirror: Window, screen: str) -> None:
    page = show(mirror, mirrored, screen)

    assert page.locator("html").get_attribute("dir") == "rtl"
    for part in (".jm-log-box", ".jm-tl", ".jm pre"):
        ways = page.locator(part).evaluate_all(
            "(all) => all.map((one) => getComputedStyle(one).direction)"
        )
        assert set(ways) <= {"ltr"}
    for width in (1280, 390):
        mirror.narrow(width)
        assert mirror.overflow() == []
    assert mirror.complaints == []


def test_nothing_moves_for_those_who_asked_for_that(window: Window, site: Site) -> None:
    page = window.open(PAGES["a running job"].format(**site.jobs))

    page.emulate_media(reduced_motion="no-preference")
    before = page.evaluate(MOVING)
    page.emulate_media(reduced_motion="reduce")

    assert before
    assert page.evaluate(MOVING) == 0


@pytest.mark.parametrize("screen", list(KINDS))
def test_a_page_is_readable_in_the_systems_own_colours(
    window: Window, site: Site, screen: str
) -> None:
    page = show(window, site, screen)

    page.emulate_media(forced_colors="active")

    assert page.evaluate("() => matchMedia('(forced-colors: active)').matches")
    assert page.evaluate(UNUSABLE) == []
    assert window.violations(CONTRAST, part=OURS) == []
