"""Hooks: what a project may say of its jobs; each does nothing until it is overridden."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery_jobman.admin.reading import ReadOnlyAdmin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from celery_jobman.models import Job


class DisplayHooks(ReadOnlyAdmin):
    """Methods of the jobs' admin that a project's own subclass overrides.

    What they return is shown as text: markup in it is escaped, and control characters are
    replaced.  An error that one of them raises is the answer's; catch what may go wrong.  They
    are called for every drawing of a page that is open, so they should ask no database.
    """

    def display_name(self, job: Job) -> str:
        """Return what the job is called: in the list, as its page's title, on pages of its kin.

        By default its label, else its task's name.  ``job``'s big columns (``args``,
        ``kwargs``, ``message``, ``result``) are not read; asking for one is one query more.
        """
        return job.label or job.task

    def display_value(self, job: Job, name: str, value: Any) -> Any:  # noqa: ARG002 - for subclasses
        """Return what is shown of a value; by default the value itself.

        Called for the page, for downloads and for what is copied, and not for values that
        somebody with the permission reveals, nor for those that are edited.

        Args:
            job: As for :meth:`display_name`.
            name: ``"args"``, ``"kwargs"``, ``"result"``, ``"steps"``, ``"tags"`` or
                ``"attribs"``.
            value: Plain JSON, in which secrets are masked already.

        Returns:
            Plain JSON to be shown instead.
        """
        return value

    def extra_facts(self, job: Job) -> Iterable[tuple[str, str]]:  # noqa: ARG002 - for subclasses
        """Return further facts, as pairs of a name and a value; by default none.

        They follow jobman's own.  A fact with an empty value is left out.
        """
        return ()
