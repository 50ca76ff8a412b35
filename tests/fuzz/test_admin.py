"""Whatever is sent to the admin's addresses: no error of the server, and GET writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_jobman.models import Job, JobAction
from celery_jobman.states import State
from tests.factories import attempt, checkpoint, finished_job, job_in, log_line
from tests.fuzz.material import TEXT, TRIES, sendable
from tests.fuzz.reading import read

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

FEW = settings(TRIES, max_examples=80)
LISTS = st.sampled_from(["changelist", "counts", "states"])
JOBS = st.sampled_from(["change", "state", "log", "log_raw", "retry", "edit_retry", "reschedule"])
VERBS = st.sampled_from(["cancel", "retry", "retry_from", "edit_retry", "priority", "reschedule"])
#: Names that the addresses know, and some that they do not.
NAMES = st.sampled_from(
    [
        "q",
        "state",
        "when",
        "owner",
        "worker",
        "task",
        "queue",
        "_after",
        "_before",
        "ids",
        "newest",
        "p",
        "o",
        "all",
        "after",
        "before",
        "level",
        "attempt",
        "step",
        "limit",
        "line",
        "around",
        "from",
        "task__icontains",
        "created_at__gte",
        "id__in",
        "finished_at__isnull",
        "page",
    ]
)
FIELDS = st.sampled_from(
    [
        "state",
        "attempt",
        "step",
        "when",
        "at_0",
        "at_1",
        "at",
        "queue",
        "priority",
        "reason",
        "args",
        "kwargs",
        "force",
        "confirm",
        "fork",
        "token",
        "new_id",
        "from_step",
        "delay",
    ]
)
WORDS = st.one_of(
    TEXT.filter(lambda text: text.isprintable() or "\ud800" not in text),
    st.sampled_from(["task:a", "state:failed", "ran:>5s", "after:1h", "tag:x", "owner:me"]),
    st.sampled_from(["failed", "1", "0", "load", "now", "later", "[1", '{"a": NaN}', "[" * 3000]),
)


@FEW
@given(name=LISTS, query=st.dictionaries(NAMES, WORDS, max_size=3))
def test_the_list_answers_whatever_is_asked(
    admin_client: Client, name: str, query: dict[str, str]
) -> None:
    finished_job()

    read(admin_client, reverse(f"admin:jobman_job_{name}"), query)


@FEW
@given(name=JOBS, query=st.dictionaries(NAMES, WORDS, max_size=3))
def test_the_page_of_a_job_answers_whatever_is_asked(
    admin_client: Client, name: str, query: dict[str, str]
) -> None:
    job = finished_job(declared_steps=["load"])
    checkpoint(job, "load")
    attempt(job)
    log_line(job)

    read(admin_client, reverse(f"admin:jobman_job_{name}", args=[job.pk]), query)


@FEW
@given(
    verb=VERBS,
    state=st.sampled_from(sorted(State)),
    form=st.dictionaries(FIELDS, WORDS, max_size=6),
    stands=st.booleans(),
)
def test_a_form_does_what_it_says_or_nothing(
    admin_client: Client, verb: str, state: State, form: dict[str, str], *, stands: bool
) -> None:
    job = job_in(state, declared_steps=["load"])
    sent: dict[str, Any] = {name: sendable(value) for name, value in form.items()}
    if stands:
        sent |= {"state": str(state), "attempt": job.attempt}
    other, before = job_in(state), _row(job)
    untouched = _row(other)

    answer = admin_client.post(reverse(f"admin:jobman_job_{verb}", args=[job.pk]), sent)

    assert answer.status_code < 500
    assert _row(other) == untouched
    verbs = set(JobAction.objects.filter(job_id=job.pk).values_list("verb", flat=True))
    assert _row(job) == before or verbs


def _row(job: Job) -> dict[str, Any]:
    return dict(Job.objects.filter(pk=job.pk).values().get())


@FEW
@given(
    form=st.dictionaries(
        st.sampled_from(
            [
                "action",
                "index",
                "_selected_action",
                "select_across",
                "rest",
                "post",
                "reason",
                "confirm",
            ]
        ),
        WORDS,
        max_size=6,
    ),
    action=st.sampled_from(["cancel", "retry", "", "nothing"]),
)
def test_a_bulk_post_is_answered(admin_client: Client, form: dict[str, str], action: str) -> None:
    job = finished_job()
    sent: dict[str, Any] = {name: sendable(value) for name, value in form.items()}
    sent = {"action": action, "_selected_action": str(job.pk)} | sent

    answer = admin_client.post(reverse("admin:jobman_job_changelist"), sent)

    assert answer.status_code < 500
