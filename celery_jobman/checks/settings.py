"""System checks of the setting ``JOBMAN``, beyond what :mod:`celery_jobman.conf` refuses."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import Error, Tags, Warning, register  # noqa: A004 - Django's own name
from django.utils.module_loading import import_string

from celery_jobman.conf import Settings, settings


@register(Tags.compatibility)
def heartbeat_fits(**_: Any) -> list[Warning]:
    """Warn when a worker is taken for dead before it can give two signs of life."""
    chosen = settings()
    if chosen.worker_lost_after >= 3 * chosen.heartbeat:
        return []
    return [
        Warning(
            'JOBMAN["WORKER_LOST_AFTER"] is less than three times JOBMAN["HEARTBEAT"]',
            hint="A worker that is late once loses its jobs; raise WORKER_LOST_AFTER to at"
            f" least {3 * chosen.heartbeat.total_seconds():g} seconds.",
            id="jobman.W001",
        )
    ]


@register(Tags.compatibility)
def paths_lead_somewhere(**_: Any) -> list[Error]:
    """Refuse a dotted path in ``JOBMAN`` that leads to nothing, or to what cannot be called."""
    chosen = settings()
    paths = {"CAN": chosen.can, "MODEL_ADMIN": chosen.model_admin}
    found = {name: _why_not(path) for name, path in paths.items() if path}
    return [
        Error(
            f'JOBMAN["{name}"] is {paths[name]!r}, {why}',
            hint="Give the dotted path of a function or class, such as 'shop.rules.may'.",
            id="jobman.E001",
        )
        for name, why in found.items()
        if why
    ]


def _why_not(path: str) -> str:
    try:
        found = import_string(path)
    except Exception as error:  # noqa: BLE001 - whatever the project's module raises
        return f"which cannot be imported: {type(error).__name__}: {error}"
    return "" if callable(found) else "which cannot be called"


@register(Tags.compatibility)
def settings_have_an_effect(**_: Any) -> list[Warning]:
    """Warn of settings that are written as Celery's are, and that nobody reads."""
    return [
        Warning(
            f"the setting JOBMAN_{name} has no effect",
            hint=f'Write it as an entry of a dict: JOBMAN = {{"{name}": …}}.',
            id="jobman.W011",
        )
        for name in sorted(field.name.upper() for field in fields(Settings))
        if hasattr(django_settings, f"JOBMAN_{name}")
    ]
