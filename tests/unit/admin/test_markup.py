from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.forms import Media
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy

from celery_jobman.admin.markup import breakable, coded, joined, markup
from celery_jobman.admin.routes import page_of, pages
from celery_jobman.models import Job
from celery_jobman.models.ids import uuid7


@pytest.mark.parametrize(
    "value",
    [
        "<b>&\"'</b>",
        mark_safe("<b>"),
        format_html("<i>{}</i>", "<"),
        gettext_lazy("Jobs <b>"),
        Media(js=["a.js"]),
        None,
        1_000_000,
        uuid7(),
        "",
        "{}",
    ],
)
def test_it_is_what_django_makes(value: Any) -> None:
    made = markup('<p class="{}">{}</p>', value, "<x>")

    assert made == format_html('<p class="{}">{}</p>', value, "<x>")
    assert isinstance(made, SafeString)


def test_safe_pieces_are_one_safe_piece() -> None:
    assert isinstance(joined(markup("{}", "<"), markup("<br>")), SafeString)
    assert joined(markup("{}", "<"), markup("<br>")) == "&lt;<br>"


def test_addresses_of_many_pages_are_those_of_each() -> None:
    job_id, jobs = uuid7(), admin.site._registry[Job]

    assert pages(jobs)(job_id) == page_of(jobs, job_id)


def test_code_stands_between_backticks() -> None:
    assert coded("run `celery <x>`, or `b`") == (
        "run <code>celery &lt;x&gt;</code>, or <code>b</code>"
    )
    assert coded("one ` alone") == "one ` alone"


def test_a_name_breaks_behind_its_dots() -> None:
    assert breakable("shop.<b>.load") == "shop.<wbr>&lt;b&gt;.<wbr>load"
