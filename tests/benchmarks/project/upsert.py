"""The cheapest way to keep a step: one prepared statement on the connection steps use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections

from celery_jobman.models import Step
from celery_jobman.models.database import using

if TYPE_CHECKING:
    from uuid import UUID


class RawUpsert:
    """Writes a row like the job's first step under another name, and commits."""

    def __init__(self, job_id: UUID) -> None:
        row = Step.objects.filter(job_id=job_id).first()
        fields = [field for field in Step._meta.concrete_fields if not field.primary_key]
        self._connection = connections[using()]
        self._values = [
            field.get_db_prep_save(getattr(row, field.attname), self._connection)
            for field in fields
        ]
        self._name = [field.name for field in fields].index("name")
        columns = ", ".join(str(field.column) for field in fields)
        marks = ", ".join(["%s"] * len(fields))
        self._statement = (
            f"INSERT INTO {Step._meta.db_table} ({columns}) VALUES ({marks}) "  # noqa: S608
            "ON CONFLICT (job_id, name, superseded) DO UPDATE SET result = EXCLUDED.result"
        )

    def __call__(self, name: str) -> None:
        values = list(self._values)
        values[self._name] = name
        with self._connection.cursor() as cursor:
            cursor.execute(self._statement, values)
