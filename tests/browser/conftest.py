"""Fixtures: the site, the browser, and windows of it."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
from typing import TYPE_CHECKING

import pytest

from tests import servers
from tests.browser.sites import serving
from tests.browser.windows import ARGUMENTS, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from tests.browser.sites import Site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site in Django's own admin."""
    with serving(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if importlib.util.find_spec("playwright") is None:
        _missing("no playwright")
    if chromium is None:
        _missing("no chromium")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - may be missing

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield browser
        browser.close()


def _missing(what: str) -> None:
    if servers.required():
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="module")
def windows(browser: Browser, site: Site) -> Iterator[Callable[..., Window]]:
    """Open windows of the site; they are closed after the module."""
    with contextlib.ExitStack() as stack:

        def window(user: str = "root", *, javascript: bool = True) -> Window:
            opened = Window(browser, site.url, site.sessions[user], javascript=javascript)
            stack.callback(opened.close)
            return opened

        yield window


@pytest.fixture
def window(windows: Callable[..., Window]) -> Iterator[Window]:
    """A window in which root is signed in; it is closed after the test."""
    window = windows()
    yield window
    window.close()
