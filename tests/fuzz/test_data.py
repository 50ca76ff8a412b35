"""Whatever is asked of a job's log and data: only its own lines, no secret by itself, no write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_jobman.admin.log.beginnings import beginning
from celery_jobman.admin.log.payloads import KINDS
from celery_jobman.core.encoding import encode
from celery_jobman.core.redaction import redacted
from celery_jobman.exceptions import UnencodableValue
from celery_jobman.models import Job, JobAction
from tests.factories import attempt, checkpoint, finished_job, log_line
from tests.fuzz.material import TEXT, TRIES, VALUES, sendable
from tests.fuzz.reading import read

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

FEW = settings(TRIES, max_examples=50)
SECRET = "hunter2"
NUMBERS = st.sampled_from(["0", "1", "2", "-1", "٣", "1.0", "LINE", str(2**31), str(2**63)])
ASKED = st.dictionaries(
    st.sampled_from(["q", "after", "before", "limit", "attempt", "level", "find"]),
    st.one_of(NUMBERS, TEXT, st.sampled_from(["mine", "error", "", "%", "_", "e"])),
    max_size=5,
)


@FEW
@given(name=st.sampled_from(["log", "log_raw", "state"]), query=ASKED)
def test_only_lines_of_the_job_are_answered(
    admin_client: Client, name: str, query: dict[str, str]
) -> None:
    job, other = finished_job(), finished_job()
    attempt(job)
    lines = [log_line(job, f"mine {number}") for number in range(4)]
    log_line(other, "not yours")
    query = {key: str(lines[1].pk) if text == "LINE" else text for key, text in query.items()}

    status, body = read(admin_client, reverse(f"admin:jobman_job_{name}", args=[job.pk]), query)

    assert status in {200, 400}
    assert "not yours" not in body
    if status == 400:
        assert json.loads(body)["error"].strip()


@FEW
@given(
    part=st.one_of(
        st.sampled_from(sorted(KINDS)), st.from_regex(r"[-_a-zA-Z0-9]{1,9}", fullmatch=True)
    ),
    value=VALUES,
    key=st.sampled_from(["password", "API_KEY", "secret", "x-token"]),
)
def test_a_download_keeps_secrets_and_writes_nothing(
    admin_client: Client, part: str, value: Any, key: str
) -> None:
    job = _job({"a": value, "deep": [{key: SECRET}], key: SECRET})

    status, body = read(admin_client, f"{_page(job)}data/{sendable(part)}/", {})

    assert status == (200 if part in KINDS else 404)
    assert SECRET not in body


@FEW
@given(value=VALUES, end=st.integers(0, 400))
def test_the_beginning_of_a_value_is_json_that_is_masked_as_the_whole(value: Any, end: int) -> None:
    text = json.dumps({"a": value, "password": SECRET, "b": [{"token": SECRET}, "c" * 99]})

    cut = beginning(text[:end])

    shown = json.dumps(redacted(json.loads(cut)), ensure_ascii=False) if cut else ""
    assert SECRET not in shown


@FEW
@given(
    form=st.dictionaries(st.sampled_from(["reason", "state", "part", "whole"]), TEXT, max_size=3),
    value=VALUES,
)
def test_what_is_revealed_is_shown_once_and_written_down(
    admin_client: Client, form: dict[str, str], value: Any
) -> None:
    job = _job({"a": value, "password": SECRET})
    before = Job.objects.filter(pk=job.pk).values().get()

    answer = admin_client.post(
        f"{_page(job)}reveal/", {name: sendable(text) for name, text in form.items()}
    )

    assert answer.status_code == 200
    assert SECRET in answer.content.decode()
    assert JobAction.objects.filter(job_id=job.pk).values_list("verb", flat=True).get() == "reveal"
    assert LogEntry.objects.filter(object_id=str(job.pk)).count() == 1
    assert Job.objects.filter(pk=job.pk).values().get() == before


@FEW
@given(query=ASKED)
def test_nothing_is_revealed_by_a_get(admin_client: Client, query: dict[str, str]) -> None:
    job = _job({"password": SECRET})

    status, body = read(admin_client, f"{_page(job)}reveal/", query)

    assert status == 405
    assert SECRET not in body


def _job(kwargs: dict[str, Any]) -> Job:
    try:
        text = encode(kwargs, "the arguments")
    except UnencodableValue:
        text = encode({**kwargs, "a": None}, "the arguments")
    job = finished_job(kwargs=text, result=text)
    checkpoint(job, "load", {"token": SECRET})
    return job


def _page(job: Job) -> str:
    return reverse("admin:jobman_job_change", args=[job.pk]).removesuffix("change/")
