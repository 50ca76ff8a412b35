"""The router of a project whose reads go to replicas, as Django's documentation writes it.

All tests run with it.  The replica cannot be read at all, so that a read of jobman's rows that
goes there is found, whichever test makes it: it might not see what was just written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from django.db.models import Model

#: The entry for Django's ``DATABASES``: a database that raises when it is asked.
REPLICA: Final = {"ENGINE": "django.db.backends.dummy"}


class ToReplica:
    """Reads of jobman's tables go to the replica, if nobody says otherwise."""

    def db_for_read(self, model: type[Model], **_: Any) -> str | None:
        return "replica" if model._meta.app_label == "jobman" else None

    def db_for_write(self, model: type[Model], **_: Any) -> str | None:
        return "default" if model._meta.app_label == "jobman" else None

    def allow_relation(self, *_: Any, **__: Any) -> bool:
        return True
