from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured

from celery_jobman.admin.jobs import JobAdmin
from celery_jobman.admin.reading import model_admin

if TYPE_CHECKING:
    from pytest_django import Settings

    DjangoModelAdmin = admin.ModelAdmin[Any]
else:
    DjangoModelAdmin = admin.ModelAdmin


class Dressed(DjangoModelAdmin):
    """What a theme brings."""


def test_the_pages_are_made_from_djangos_own_class() -> None:
    assert model_admin() is admin.ModelAdmin
    assert issubclass(JobAdmin, admin.ModelAdmin)


def test_a_theme_may_bring_its_class(settings: Settings) -> None:
    settings.JOBMAN = {"MODEL_ADMIN": f"{__name__}.Dressed"}

    assert model_admin().__name__ == "Dressed"


@pytest.mark.parametrize(
    "path", ["nowhere.ModelAdmin", "django.contrib.admin.Nothing", "ModelAdmin", "uuid.UUID"]
)
def test_a_name_of_something_else_is_refused(settings: Settings, path: str) -> None:
    settings.JOBMAN = {"MODEL_ADMIN": path}

    with pytest.raises(ImproperlyConfigured, match=r'JOBMAN\["MODEL_ADMIN"\] is'):
        model_admin()
