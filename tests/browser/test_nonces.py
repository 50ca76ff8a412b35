"""The pages under a policy that lets only scripts with the page's nonce run."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import django
import pytest

from tests.browser.screens import BATCH_LIST, LIST
from tests.browser.sites import Site
from tests.browser.windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

#: Each page, and what only its script makes visible; nothing on a page without one of ours.
PAGES: Final = {
    "the list": (LIST, "[data-live]"),
    "a running job": (f"{LIST}{{running}}/change/", "[data-jobman-log-follow]"),
    "a failed job": (f"{LIST}{{failed}}/change/", ".jm-js [data-jobman-log-wrap]"),
    "retrying from a step": (f"{LIST}{{failed}}/retry-from/", ""),
    "a graph": (f"{BATCH_LIST}{{workflow}}/graph/", "[data-jobman-zoom]"),
    "editing the arguments": (f"{LIST}{{failed}}/edit-retry/", ""),
}

#: Until Django 6.1 the admin's own scripts have no nonce, so the browser refuses them.
ADMINS: Final = ("/static/admin/", "/admin/jsi18n/")

FETCH: Final = "() => fetch(document.querySelector('[data-state-url]').dataset.stateUrl)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("nonces"), "tests.browser.site.nonces")
    yield site
    site.close()
    assert "Internal Server Error" not in site.log(), site.log()


@pytest.fixture(scope="module")
def windows(browser: Browser, site: Site) -> Iterator[Callable[..., Window]]:
    with contextlib.ExitStack() as stack:

        def window() -> Window:
            opened = Window(browser, site.url, site.sessions["root"], javascript=True)
            stack.callback(opened.close)
            return opened

        yield window


def complaints(window: Window) -> list[str]:
    """Return what the browser complains about, as far as we can help it."""
    if django.VERSION >= (6, 1):
        return window.complaints
    return [line for line in window.complaints if not any(path in line for path in ADMINS)]


@pytest.mark.parametrize(("path", "moved"), PAGES.values(), ids=PAGES)
def test_a_page_works_under_a_policy_of_nonces(
    window: Window, site: Site, path: str, moved: str
) -> None:
    page = window.open(path.format(**site.jobs))
    if moved:
        page.locator(moved).wait_for()
    window.settle()

    assert complaints(window) == []
    assert page.locator(".jm").first.evaluate("(one) => getComputedStyle(one).display") != "none"


def test_the_policy_is_in_force(window: Window, site: Site) -> None:
    response = window.page.goto(site.url + LIST)

    assert response
    assert "'strict-dynamic'" in response.headers["content-security-policy"]
    window.page.goto(f"{site.url}/broken/")
    window.settle()
    assert any(line.startswith("error: policy: script-src") for line in window.complaints)


@pytest.mark.parametrize("name", ["running", "failed"])
def test_what_is_fetched_later_carries_no_nonce(window: Window, site: Site, name: str) -> None:
    # It would be another answer's nonce: refused, and a change at every look.
    page = window.open(f"{LIST}{site.jobs[name]}/change/")

    regions: dict[str, Any] = page.evaluate(f"{FETCH}.then((answer) => answer.json())")["regions"]

    assert "header" in regions
    assert [name for name, part in regions.items() if "nonce" in part["html"]] == []
