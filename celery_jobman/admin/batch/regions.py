"""Regions: what each part of a batch's pages is told."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from celery_jobman.admin.access import may
from celery_jobman.admin.batch.naming import called
from celery_jobman.admin.batch.sight import Batches, Jobs
from celery_jobman.admin.frame import Crumb

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest

    from celery_jobman.admin.access import Deed
    from celery_jobman.models import Batch


@dataclass(frozen=True)
class Subject:
    """A batch as one user sees it at one moment.  Rows that several regions need are read once."""

    folder: ClassVar[str] = "batch"

    admin: ModelAdmin[Any]
    request: HttpRequest
    #: Read now.
    batch: Batch
    now: datetime

    @property
    def surroundings(self) -> Mapping[str, Any]:
        """What the template of every region may read."""
        return {"batch": self.batch, "now": self.now, "subject": self}

    def may(self, deed: Deed) -> bool:
        """Return whether the user may do this to the batch."""
        return may(self.request.user, deed, self.batch)

    @cached_property
    def jobs(self) -> Jobs:
        """The jobs that the user may see."""
        return Jobs.of(self.admin, self.request)

    @cached_property
    def batches(self) -> Batches:
        """The batches that the user may see."""
        return Batches(self.request, self.admin)

    @cached_property
    def around(self) -> dict[UUID, Batch]:
        """The batches above this one that the user may see: the whole workflow, and its parent."""
        ids = {each for each in (self.batch.root_id, self.batch.batch_id) if each} - {self.batch.pk}
        rows = self.batches.rows.filter(pk__in=ids) if ids else ()
        return {row.pk: row for row in self.batches.seen(rows)}

    @property
    def above(self) -> list[Batch]:
        """The workflow and the parent, from the top; what lies between them is left out."""
        root, parent = self.batch.root_id, self.batch.batch_id
        ids = [root, parent] if root != parent else [parent]
        return [self.around[each] for each in ids if each in self.around]

    @property
    def way(self) -> list[Crumb]:
        """The way to the batch, from the list on."""
        rows = [*self.above, self.batch]
        return [Crumb(called(row), self.batches.page(row.pk)) for row in rows]
