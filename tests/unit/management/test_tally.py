from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.core.management.base import CommandError, OutputWrapper
from django.core.management.color import no_style

from celery_jobman.exceptions import TransitionRefused
from celery_jobman.management import tally
from celery_jobman.management.console import Console
from celery_jobman.states import State
from tests.factories import unsaved_job

if TYPE_CHECKING:
    from celery_jobman.models import Job


class Heard:
    def __init__(self) -> None:
        self.stdout, self.stderr = StringIO(), StringIO()
        wrappers = OutputWrapper(self.stdout), OutputWrapper(self.stderr)
        self.console = Console(*wrappers, no_style())


def _stop(job: Job) -> None:
    if job.state == State.FAILED:
        raise TransitionRefused(job.id, "stopped", job.state)


@pytest.fixture
def heard() -> Heard:
    return Heard()


def test_a_refusal_does_not_stop_the_rest(heard: Heard) -> None:
    jobs = [unsaved_job(), unsaved_job(state=State.FAILED), unsaved_job()]

    with pytest.raises(CommandError, match=r"^1 job refused$"):
        tally.each(jobs, _stop, "stopped", heard.console)

    assert heard.stdout.getvalue() == "2 jobs stopped\n"
    assert f"job {jobs[1].id} is failed and cannot be stopped" in heard.stderr.getvalue()


def test_a_single_refusal_speaks_for_itself(heard: Heard) -> None:
    with pytest.raises(TransitionRefused):
        tally.each([unsaved_job(state=State.FAILED)], _stop, "stopped", heard.console)

    assert heard.stdout.getvalue() == heard.stderr.getvalue() == ""


def test_without_refusals_there_is_only_the_total(heard: Heard) -> None:
    tally.each((unsaved_job() for _ in range(3)), _stop, "stopped", heard.console)

    assert heard.stdout.getvalue() == "3 jobs stopped\n"
