"""``ReplaceableTask``: the two verbs of Celery's with which a task changes the canvas it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.contrib.django.task import DjangoTask

from celery_jobman.runtime.engine import engine

if TYPE_CHECKING:
    from celery_jobman.runtime.running import RunningJob


class ReplaceableTask(DjangoTask):  # type: ignore[misc]
    """A task whose stand-in takes its place in a durable workflow, too."""

    def replace(self, sig: Any) -> Any:
        """Let a signature run in place of this task, as in Celery; nothing after it is run.

        In a durable workflow (``celery_jobman.chain`` and the like) the stand-in is the link
        after this job: what followed the job waits for it, and is given what it returns.

        Args:
            sig: A signature, or a canvas or flow of them.

        Raises:
            celery.exceptions.Ignore: Always, in a worker.
            ImproperlyConfigured: It is a part of a chord, or has nothing in it.
            NotASignature, EndlessWorkflow, UnknownTask, PlainTask, UnencodableValue: In a
                durable workflow, as for ``dispatch``.  Nothing was written.
        """
        job = self._as_member()
        if job is None:
            return super().replace(sig)
        return engine("workflows.replacing").replace(job, sig)

    def add_to_chord(self, sig: Any, lazy: bool = False) -> Any:  # noqa: FBT001, FBT002 - Celery's
        """Add a signature to the header of the chord that this task is in, as in Celery.

        In a durable workflow it is added to the group or batch that this job is a member of.

        Raises:
            ValueError: This task is in none.  Nothing was written.
        """
        job = self._as_member()
        if job is None:
            return super().add_to_chord(sig, lazy)
        return engine("workflows.replacing").add_to_group(job, sig, lazy=lazy)

    def _as_member(self) -> RunningJob | None:
        """Return the job that runs if it is a member of a durable workflow."""
        job: RunningJob | None = engine("running").current_job()
        if job is None or job.request is not self.request or job.run.member is None:
            return None
        return job if job.run.member.batch_id is not None else None
