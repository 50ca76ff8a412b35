from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.template import Context, Template
from django.utils import translation

from tests.factories import NOON


class Unread:
    """As Django's nonce, which is false until somebody has read it."""

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return "abc"


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({}, ""),
        ({"csp_nonce": "abc"}, 'nonce="abc"'),
        ({"csp_nonce": Unread()}, 'nonce="abc"'),
        ({"csp_nonce": None}, ""),
        ({"request": SimpleNamespace(csp_nonce='a"b')}, 'nonce="a&quot;b"'),
        ({"request": SimpleNamespace()}, ""),
    ],
)
def test_a_tag_carries_the_nonce_of_the_page_if_there_is_one(
    context: dict[str, Any], expected: str
) -> None:
    template = Template("{% load jobman %}{% jobman_nonce %}")

    assert template.render(Context(context)) == expected


def test_a_moment_is_told_in_the_pages_zone() -> None:
    template = Template("{% load jobman %}{{ moment|jobman_at }}")

    assert template.render(Context({"moment": NOON})) == "2030-01-01 12:00:00 UTC"


@pytest.mark.parametrize(("language", "said"), [("en", "1,204 5s"), ("de", "1.204 5\xa0s")])
def test_numbers_and_seconds_are_told_in_the_pages_language(language: str, said: str) -> None:
    template = Template("{% load jobman %}{{ 1204|jobman_number }} {{ 5|jobman_seconds }}")

    with translation.override(language):
        assert template.render(Context()) == said
