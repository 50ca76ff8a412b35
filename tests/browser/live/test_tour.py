"""The tour is walked; its pictures show what the pages say, and its page says how long it is.

``tox -e tour`` takes the pictures anew.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.browser.live.album import FOLDER, Album, neutral
from tests.browser.live.tour import Tour
from tests.browser.windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from tests.browser.live.shops import Shop

WRITES: Final = os.environ.get("JOBMAN_TEST_TOUR") == "write"
DOCUMENT: Final = FOLDER.parents[1] / "tour.md"

#: A folder whose name may be seen in the pictures.
SHOWN: Final = Path(tempfile.gettempdir()) / "example-shop"


@pytest.fixture
def folder() -> Iterator[Path | None]:
    """The folder of the shop; for pictures a new one with a plain name."""
    if not WRITES:
        yield None
        return
    SHOWN.mkdir()
    yield SHOWN
    shutil.rmtree(SHOWN)


@pytest.fixture
def shop(shops: Callable[..., Shop], folder: Path | None) -> Iterator[Shop]:
    """A shop without any other jobs."""
    shop = shops(folder)
    yield shop
    shop.close()
    assert "Internal Server Error" not in shop.site.log(), shop.site.log()


@pytest.fixture
def tour(browser: Browser, shop: Shop) -> Iterator[Tour]:
    window = Window(browser, shop.site.url, shop.site.sessions["ann"], javascript=True)
    tour = Tour(shop=shop, window=window, album=Album(writes=WRITES))
    yield tour
    tour.close()
    window.close()


def test_the_pictures_show_what_the_pages_say(tour: Tour) -> None:
    tour.walk()

    assert tour.window.complaints == []
    assert tour.clicks == 5
    assert "five clicks" in DOCUMENT.read_text(encoding="utf-8")
    stale = "\n".join(f"--- {name}\n{text}" for name, text in tour.album.stale.items())
    assert not stale, f"take the pictures anew with: tox -e tour\n{stale}"


def test_every_picture_is_shown() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    names = [picture.name for picture in sorted(FOLDER.glob("*.png"))]

    assert names
    assert [name for name in names if f"images/tour/{name}" not in text] == []


def test_times_and_ids_make_no_difference() -> None:
    seen = "Attempt 1 failed 6s ago\n\n2026-01-31 12:00:00 UTC\tpid 12\n…c69e3c16"
    later = "Attempt 1 failed 1m 3s ago\n2026-02-01 01:02:03 UTC pid 345\n…69e3c16a"

    assert neutral(seen) == neutral(later)
    assert neutral(seen) != neutral(later.replace("failed", "succeeded"))
