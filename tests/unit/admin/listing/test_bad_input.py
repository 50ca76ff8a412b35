"""What people and scripts put into the list's address: an answer each, and never an error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from django.urls import reverse

from celery_jobman.models import Job
from celery_jobman.models.ids import uuid7
from tests.factories import queued_job, running_job

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

LIST, COUNTS, STATES = (f"admin:jobman_job_{name}" for name in ("changelist", "counts", "states"))

SEARCHES = [
    "x" * 10_000,
    "task:" + "y" * 999,
    'queue:"',
    '""',
    '"task:a"',
    ":",
    "::",
    ":a",
    "task:",
    "task:*",
    "task:**",
    "a:b:c",
    "nothing:here",
    "args.sku:42",
    "state:running state:failed",
    "after:9999-12-31 before:0001-01-01",
    "after:2026-02-30",
    "after:now",
    "ran:>999999999d",
    "ran:30s",
    "ran:>-1s",
    "owner:\N{GREEK SMALL LETTER ALPHA}",
    "tag:%_\\",
    "tag:[]",
    "fingerprint:'; DROP TABLE jobman_job; --",
    "00000000-0000-0000-0000-000000000000",
    "deadbeef",
    "\x1b[31m",
    "a\tb",
    "\u202eturned",
]

QUERIES: list[dict[str, Any]] = [
    {"_after": "00000000-0000-0000-0000-000000000000"},
    {"_before": "ffffffff-ffff-ffff-ffff-ffffffffffff"},
    {"_after": ["", ""]},
    {"_before": "\0"},
    {"_after": "{1}"},
    {"p": "99999999999999999999"},
    {"p": "x"},
    {"o": "1.-2.x.99"},
    {"all": ""},
    {"e": "1"},
    {"_facets": "True"},
    {"_popup": "1"},
    {"state": ["failed", "queued"]},
    {"state__exact": "\ufffd"},
    {"state__in": "failed,nope"},
    {"when": ["1h", "never"]},
    {"owner": "x" * 5000},
    {"worker": "'\""},
    {"task": ""},
    {"owner_id": "nobody"},
    {"attempt": "99999999999999999999999"},
    {"priority__gte": "-99999999"},
    {"attempt": "1.5"},
    {"parent_id": "nope"},
    {"retry_of": str(uuid7())},
    {"created_at__gte": "2026-13-45"},
    {"queued_at__isnull": "maybe"},
    {"id__in": "a,b"},
    {"nothing": "here"},
    {"task__icontains": "a"},
    {"queue": "\0"},
    {"ids": ",".join(["nope"] * 3000), "newest": "0"},
    {"ids": "\0,[],{},null,%,-1", "newest": "\0"},
    {"newest": "00000000-0000-0000-0000-000000000000"},
]


def answered(client: Client, name: str, query: dict[str, Any]) -> Any:
    """Return an answer that is none of the server's failures, and readable if it is JSON."""
    answer = client.get(f"{reverse(name)}?{urlencode(query, doseq=True)}")
    assert answer.status_code in {200, 302, 400}, answer.content
    if name != LIST and answer.status_code == 200:
        assert answer["Content-Type"] == "application/json"
        assert isinstance(json.loads(answer.content), dict)
    return answer


@pytest.mark.parametrize("name", [LIST, COUNTS, STATES])
@pytest.mark.parametrize("search", SEARCHES)
def test_any_search_is_answered(admin_client: Client, name: str, search: str) -> None:
    queued_job()

    assert answered(admin_client, name, {"q": search}).status_code == 200


@pytest.mark.parametrize("name", [LIST, COUNTS, STATES])
@pytest.mark.parametrize("query", QUERIES)
def test_any_address_is_answered(admin_client: Client, name: str, query: dict[str, Any]) -> None:
    queued_job()

    answered(admin_client, name, query)


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ("x" * 10_000, "The search is too long."),
        ("nothing:here", "does not know “nothing:”"),
        ("args.sku:42", "does not know “args.sku:”"),
        ("task:", "is no value for “task:”"),
        ("after:2026-02-30", "is no value for “after:”"),
        ("\x1b[31m", "control characters"),
        ('queue:"', "A quotation mark is missing"),
    ],
)
def test_a_search_that_is_not_understood_says_why(
    admin_client: Client, search: str, words: str
) -> None:
    queued_job()

    answer = answered(admin_client, LIST, {"q": search})

    assert words in " ".join(str(message) for message in answer.context["messages"])
    assert list(answer.context["cl"].result_list) == []


def test_the_id_of_nothing_finds_nothing(admin_client: Client) -> None:
    queued_job()

    answer = answered(admin_client, LIST, {"q": str(uuid7())})

    assert list(answer.context["cl"].result_list) == []
    assert answer.context["emptiness"].text == "No jobs match."


def test_a_job_that_goes_while_its_row_is_open_is_left_out(admin_client: Client) -> None:
    jobs = [running_job() for _ in range(2)]
    ids = ",".join(str(job.pk) for job in jobs)
    Job.objects.filter(pk=jobs[0].pk).delete()

    answer = json.loads(answered(admin_client, STATES, {"ids": ids}).content)

    assert list(answer["rows"]) == [str(jobs[1].pk)]


def test_more_rows_than_a_page_are_not_renewed(admin_client: Client) -> None:
    job = queued_job()
    ids = ",".join([*(str(uuid7()) for _ in range(200)), str(job.pk)])

    assert json.loads(answered(admin_client, STATES, {"ids": ids}).content)["rows"] == {}


@pytest.mark.parametrize("name", [COUNTS, STATES])
@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_asking_otherwise_changes_nothing(admin_client: Client, name: str, method: str) -> None:
    queued_job()

    getattr(admin_client, method)(reverse(name))

    assert Job.objects.count() == 1


def test_answers_of_polls_are_never_kept(admin_client: Client) -> None:
    assert "no-store" in admin_client.get(reverse(STATES))["Cache-Control"]
