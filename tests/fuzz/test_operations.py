"""Whatever is typed behind the verbs that send, delete, examine or follow: never the wrong jobs."""

from __future__ import annotations

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_jobman.models import Job
from celery_jobman.states import State
from tests.factories import LATER, finished_job, log_line, queued_job, running_job, scheduled_job
from tests.fuzz.material import TEXT, TRIES
from tests.fuzz.terminal import check, typed

pytestmark = pytest.mark.django_db

FEW = settings(TRIES, max_examples=50)
NUMBERS = st.sampled_from(["1", "2", "0", "-1", "٣", "1.5", str(2**31), str(2**63), "9" * 30])
YES = {"--yes", "--ye", "--y", "-y"}


def _words(*options: str) -> st.SearchStrategy[list[str]]:
    values = st.one_of(TEXT, NUMBERS)
    named = st.sampled_from([option for option in options if option.startswith("--")])
    pairs = st.builds("{}={}".format, named, values)
    return st.lists(st.one_of(st.sampled_from(options), pairs, values), max_size=6)


@FEW
@given(words=_words("--follow", "-f", "--attempt", "--level", "--limit", "--json", "ERROR", "JOB"))
def test_only_lines_of_the_job_are_printed(words: list[str]) -> None:
    job, other = finished_job(declared_steps=["load"]), finished_job()
    log_line(job, "mine")
    log_line(other, "not yours")

    answer = typed("logs", *[str(job.pk) if word == "JOB" else word for word in words])

    check(answer)
    assert "not yours" not in answer.text


@FEW
@given(
    words=_words("--task", "--queue", "--reason", "--dry-run", "--json", "celery", "demo.add", "-y")
)
def test_only_failed_jobs_are_flushed_and_only_after_a_yes(words: list[str]) -> None:
    Job.objects.all().delete()
    others = [queued_job(), running_job(), finished_job(State.SUCCEEDED), scheduled_job()]
    elsewhere = finished_job(queue="slow", task="demo.else")
    finished_job()

    answer = typed("flush", *words)

    check(answer)
    left = set(Job.objects.values_list("pk", flat=True))
    assert {job.pk for job in others} <= left
    assert len(left) == 6 or (YES & set(words) and answer.status == 0)
    if answer.status == 0 and any(word.startswith("--queue") for word in words):
        assert elsewhere.pk in left


@FEW
@given(words=_words("--limit", "--json", "--limit=1", "--limit=2"), due=st.integers(0, 3))
@pytest.mark.usefixtures("app")
def test_only_what_is_due_is_dispatched(words: list[str], due: int) -> None:
    Job.objects.all().delete()
    ready = [scheduled_job(available_at=timezone.now()) for _ in range(due)]
    others = [scheduled_job(available_at=LATER), running_job(), finished_job()]
    states = [job.state for job in others]

    answer = typed("dispatch", *words)

    check(answer)
    for job in (*ready, *others):
        job.refresh_from_db()
    assert [job.state for job in others] == states
    sent = sum(job.state == State.QUEUED for job in ready)
    assert sent == 0 if answer.status else sent in {due, min(due, 1), min(due, 2)}


@settings(FEW, max_examples=15)
@given(words=_words("--problems", "--json"))
def test_the_doctor_examines_or_refuses(words: list[str]) -> None:
    answer = typed("doctor", *words)

    check(answer)
    assert Job.objects.count() == 0
