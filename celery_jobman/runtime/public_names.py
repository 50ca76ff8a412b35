"""Public names that need models, and may be imported before Django has any.

A project's ``celery.py``, or a module with tasks, is often imported before ``django.setup()``.  A
name that is imported there is stood for by an object that becomes it on first use.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, Union

from django.apps import apps
from django.conf import ENVIRONMENT_VARIABLE, settings
from django.core.exceptions import AppRegistryNotReady, ImproperlyConfigured

PACKAGE = "celery_jobman"


def public(home: str, name: str) -> Any:
    """Return a public name of the package, or what stands for it until Django is set up.

    Raises:
        ImproperlyConfigured: Django is set up without the package's app.
    """
    if not apps.models_ready:
        return Later(home, name)
    require_app()
    return load(home, name)


def load(home: str, name: str) -> Any:
    """Return a name of a module, or a module of a package."""
    module = import_module(home)
    is_package = hasattr(module, "__path__")
    if is_package and find_spec(f"{home}.{name}") is not None:
        return import_module(f"{home}.{name}")
    return getattr(module, name)


def require_app() -> None:
    """Make sure that the package is one of the project's apps.

    Raises:
        ImproperlyConfigured: It is not.
    """
    if not apps.is_installed(PACKAGE):
        where = getattr(settings, "SETTINGS_MODULE", None) or f"${ENVIRONMENT_VARIABLE}"
        msg = (
            f'celery_jobman is not one of this project\'s apps; add "{PACKAGE}" to INSTALLED_APPS'
            f" in {where}, and run manage.py migrate"
        )
        raise ImproperlyConfigured(msg)


class Later:
    """Stands for a name that was imported before Django was set up."""

    def __init__(self, home: str, name: str) -> None:
        self._home = home
        self._name = name

    def _found(self) -> Any:
        if not apps.models_ready:
            msg = (
                f"{PACKAGE}.{self._name} may be imported before django.setup(), but not used;"
                " use it in a function that runs later, or call django.setup() first"
            )
            raise AppRegistryNotReady(msg)
        return public(self._home, self._name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call what this stands for."""
        return self._found()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and not apps.models_ready:
            raise AttributeError(name)
        return getattr(self._found(), name)

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, self._found())

    def __or__(self, other: Any) -> Any:
        return Union[Any, other]  # noqa: UP007 - in an annotation that is evaluated

    __ror__ = __or__

    def __repr__(self) -> str:
        return f"<{PACKAGE}.{self._name}, imported before django.setup()>"
