"""What the how-to page of customising the admin says, done as it says."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from django.contrib import admin
from django.urls import path, reverse

from tests.docs.pages import DOCS, blocks
from tests.factories import finished_job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.test import Client
    from pytest_django.fixtures import Settings

    from celery_jobman.models import Job

pytestmark = pytest.mark.django_db

PAGE = DOCS / "howto" / "customise-the-admin.md"


@pytest.fixture(autouse=True)
def shop(settings: Settings, tmp_path: Path) -> Iterator[None]:
    """A project that did what the page says."""
    for block in blocks(PAGE, "html"):
        file = tmp_path / block.caption
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.code, encoding="utf-8")
    (engine,) = settings.TEMPLATES
    settings.TEMPLATES = [{**engine, "DIRS": [tmp_path / "templates", *engine.get("DIRS", [])]}]
    before = dict(admin.site._registry)
    (code,) = (block.code for block in blocks(PAGE, "python"))
    exec(compile(code, str(PAGE), "exec"), {"__name__": "shop.admin"})  # noqa: S102 - the page's own
    urls = ModuleType("shop.urls")
    vars(urls)["urlpatterns"] = [path("admin/", admin.site.urls)]
    settings.ROOT_URLCONF = urls
    yield
    admin.site._registry.clear()
    admin.site._registry.update(before)


@pytest.fixture
def job() -> Job:
    return finished_job(
        task="shop.import_catalogue", kwargs='{"sku": 42, "token": "hush"}', attribs={"shop": 7}
    )


def test_the_page_of_a_job_is_the_shops(admin_client: Client, job: Job) -> None:
    page = admin_client.get(reverse("admin:jobman_job_change", args=[job.pk])).content.decode()

    assert "<title>Import of the catalogue |" in page
    assert "42 (article)" in page
    assert "hush" not in page
    assert "<dt>Shop</dt><dd>7</dd>" in page
    assert "https://wiki.example.org/jobs/shop.import_catalogue" in page
    assert "<p>Shop no. 7</p>" in page
    assert "data-jobman-region" in page


@pytest.mark.usefixtures("job")
def test_the_list_is_the_shops(admin_client: Client) -> None:
    page = admin_client.get(reverse("admin:jobman_job_changelist")).content.decode()

    assert "Ask the shop's team" in page
    assert "shop.import_catalogue" in page


def test_every_block_that_is_named_is_there() -> None:
    ours = DOCS.parent / "celery_jobman" / "templates" / "admin" / "jobman"
    page = (ours / "job" / "page.html").read_text(encoding="utf-8")
    verb = (ours / "steer" / "verb.html").read_text(encoding="utf-8")
    text = PAGE.read_text(encoding="utf-8")

    for name in ("before", "regions", "after", "style", "script"):
        assert f"{{% block jobman_{name} %}}" in page
        assert f"`jobman_{name}`" in text
    for name in ("steering", "fields", "submits"):
        assert f"{{% block {name} %}}" in verb
