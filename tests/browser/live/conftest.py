"""Fixtures: shops that are really open, and windows on them."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

import pytest

from celery_jobman.testing.localnodes import (
    LocalPostgreSQL,
    LocalRedis,
    ServerUnavailable,
    skip_or_fail,
)
from tests import servers
from tests.browser.live.shops import Shop
from tests.browser.windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack
    from pathlib import Path

    from playwright.sync_api import Browser

    from celery_jobman.testing.localnodes import LocalContainer

#: What the reader chose under "Live" the last time.
EVERY_SECOND = 'localStorage.setItem("jobman-live", "1");'


@pytest.fixture(scope="session")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Shop]]:
    """Open a shop on PostgreSQL, or on SQLite where there is none; all share one broker."""
    numbers = itertools.count(1)
    with contextlib.ExitStack() as stack:
        redis, postgresql = LocalRedis(), LocalPostgreSQL()
        if not _starts(stack, redis):
            skip_or_fail("no redis-server")
        has_postgresql = _starts(stack, postgresql)

        def shop(folder: Path | None = None) -> Shop:
            number = next(numbers)
            folder, name = folder or tmp_path_factory.mktemp("shop"), f"shop{number}"
            file = f"sqlite:///{folder / name}.sqlite3"
            url = postgresql.create_database(name) if has_postgresql else file
            opened = Shop(database_url=url, broker_url=f"{redis.url[:-1]}{number}", folder=folder)
            stack.callback(opened.close)
            return opened

        yield shop


def _starts(stack: ExitStack, node: LocalContainer) -> bool:
    """Start a server that ends with the run; return False if it is not installed.

    On CI, which has all of them, the test fails then.
    """
    stack.callback(node.teardown)
    try:
        node.start()
    except ServerUnavailable as error:
        if servers.required():
            skip_or_fail(str(error))
        return False
    return node.ready()


@pytest.fixture(scope="session")
def shop(shops: Callable[..., Shop]) -> Iterator[Shop]:
    """The shop that all tests share, which must not have gone wrong once by the end."""
    shop = shops()
    yield shop
    assert "Internal Server Error" not in shop.site.log(), shop.site.log()


@pytest.fixture(autouse=True)
def _at_work(request: pytest.FixtureRequest) -> None:
    """Have a worker and mail before a test of a shop, whatever the one before did."""
    if "shop" in request.fixturenames:
        shop: Shop = request.getfixturevalue("shop")
        shop.post.is_down = False
        assert shop.worker.is_alive


@pytest.fixture(scope="module")
def windows(browser: Browser, shop: Shop) -> Iterator[Callable[..., Window]]:
    """Open a window on the shop; it is closed after the module."""
    with contextlib.ExitStack() as stack:

        def window(user: str = "root", *, javascript: bool = True) -> Window:
            opened = Window(browser, shop.site.url, shop.site.sessions[user], javascript=javascript)
            opened.page.add_init_script(EVERY_SECOND)
            stack.callback(opened.close)
            return opened

        yield window
