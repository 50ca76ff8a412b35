from __future__ import annotations

from tests.acceptance.faults import page


def test_the_page_is_the_table_that_the_tests_run() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.text(), (
        "write it anew: python -m tests.acceptance.faults.page"
    )
