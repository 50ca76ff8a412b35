"""Whatever is typed behind ``manage.py jobman``: an answer or a clear refusal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_jobman.management.subcommands import batch as batch_verb
from celery_jobman.management.verbs import VERBS
from celery_jobman.models import Job
from celery_jobman.states import State
from tests.factories import batch, finished_job
from tests.fuzz.material import TEXT, TRIES
from tests.fuzz.terminal import check, typed

pytestmark = pytest.mark.django_db

#: Those that ask a broker, delete, or follow a log have tests of their own.
QUIET = sorted(set(VERBS) - {"doctor", "dispatch", "logs", "flush"})
OPTIONS = st.sampled_from(
    [
        "--limit",
        "--queue",
        "--task",
        "--state",
        "--older-than",
        "--reason",
        "--priority",
        "--in",
        "--at",
        "--args",
        "--kwargs",
        "--from-step",
        "--attempt",
        "--all",
        "--json",
        "--dry-run",
        "--failed-within",
        "--to-queue",
        "--yes",
        "--force",
        "--skipped",
        "--batch",
        "--kind",
        "--name",
        "--owner",
        "--scope",
        "--from",
    ]
)


#: The verbs behind ``batch``.
INNER = st.sampled_from(sorted(batch_verb.VERBS))


@settings(TRIES, max_examples=150)
@given(
    verb=st.sampled_from(QUIET),
    words=st.lists(st.one_of(OPTIONS, TEXT, st.just("JOB")), max_size=5),
)
def test_a_command_answers_or_refuses(verb: str, words: list[str]) -> None:
    job = finished_job(declared_steps=["load"])
    given = [str(job.pk) if word == "JOB" else word for word in words]

    answer = typed(verb, *given)

    check(answer)
    assert Job.objects.filter(state="running").count() == 0


@settings(TRIES, max_examples=100)
@given(
    verb=INNER,
    words=st.lists(st.one_of(OPTIONS, TEXT, st.sampled_from(["JOB", "BATCH"])), max_size=5),
)
def test_a_command_on_batches_answers_or_refuses(verb: str, words: list[str]) -> None:
    row = batch(State.FAILED, failed=1)
    known = {"JOB": str(finished_job(batch_id=row.pk).pk), "BATCH": str(row.pk)}

    answer = typed("batch", verb, *[known.get(word, word) for word in words])

    check(answer)
    assert Job.objects.filter(state="running").count() == 0
