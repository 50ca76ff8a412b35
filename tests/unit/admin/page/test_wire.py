from __future__ import annotations

import pytest

from celery_jobman.admin.page.wire import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\there", "two lines here"),
        ("\x1b[31mred\x00", "�[31mred�"),
        ("abc\u202efed", "abc�fed"),
        ("🎈 é", "🎈 é"),
        ("x" * 20, "x" * 9 + "…"),
    ],
)
def test_text_is_one_line_without_control_characters(text: str, shown: str) -> None:
    assert visible(text, 10) == shown or visible(text, 100) == shown
