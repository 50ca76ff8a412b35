"""Workflows of the shop in the browser: an import with a job for each row, and a chain."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.browser.live.reading import region, wait_for, wait_for_state
from tests.browser.screens import BATCH_LIST

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.live.shops import Shop
    from tests.browser.windows import Window

#: Rows that are imported.
ROWS = 30


def begin(shop: Shop, *words: str) -> str:
    """Begin a workflow as a person does from a shell; return the path of its batch's page."""
    done = subprocess.run(
        [sys.executable, "-m", "django", "shop", *words],
        env={**os.environ, **shop.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return f"{BATCH_LIST}{done.stdout.split()[-1]}/"


def test_an_import_is_watched_on_the_page_of_its_batch(
    shop: Shop, windows: Callable[..., Window]
) -> None:
    window = windows()
    address = begin(shop, "import", "--country", "NZ", "--limit", str(ROWS))
    page = window.open(f"{address}change/")

    wait_for_state(page, "Succeeded")

    members = ROWS + 1
    wait_for(region(page, "header"), f"{members} of {members}")
    wait_for(page, "mail_report")
    page.get_by_role("link", name=re.compile("Succeeded.*31")).first.click()
    page.get_by_role("link", name=re.compile("import_row")).first.click()
    page.get_by_role("link", name="Import of airports NZ").first.click()
    assert window.complaints == []


def test_the_graph_of_an_import_is_one_node_for_its_rows(
    shop: Shop, windows: Callable[..., Window]
) -> None:
    window = windows()
    address = begin(shop, "import", "--country", "NZ", "--limit", str(ROWS))
    page = window.open(f"{address}graph/")

    node = page.get_by_role("link", name=re.compile(f"import_row.*{ROWS}.*succeeded", re.DOTALL))
    node.first.wait_for()
    node.first.click()

    wait_for(page, "Import of airports NZ")
    assert address in page.url
    assert window.complaints == []
