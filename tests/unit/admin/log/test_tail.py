from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import reverse

from celery_jobman.admin.log import lines as reading
from celery_jobman.core import logs
from celery_jobman.models import LogLine
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State
from tests.factories import finished_job, line, log_line, queued_job, running_job

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

    from celery_jobman.models import Job

pytestmark = pytest.mark.django_db


def _url(job: Job) -> str:
    return reverse("admin:jobman_job_log", args=[job.pk])


def _tail(client: Client, job: Job, **query: Any) -> dict[str, Any]:
    answer = client.get(_url(job), query)
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    return body


def _write(job: Job, count: int, **fields: Any) -> None:
    logs.write(line(job, f"line {number}", **fields) for number in range(count))


def _messages(body: dict[str, Any]) -> list[str]:
    return [message for *_, message in body["lines"]]


def _hits(body: dict[str, Any]) -> list[str]:
    """What a search found, without the lines around it."""
    return [message for key, *_, message in body["lines"] if key not in body["around"]]


def test_the_first_reading_gives_the_last_lines_and_the_next_what_follows(
    admin_client: Client,
) -> None:
    job = running_job()
    _write(job, 250)
    log_line(running_job(), "of another job")

    first = _tail(admin_client, job)
    log_line(job, "new", level=40, step="load")
    second = _tail(admin_client, job, after=first["cursor"])

    assert _messages(first) == [f"line {number}" for number in range(50, 250)]
    assert second["lines"] == [[second["cursor"], "12:00:00.000", "ERROR", "load", "new"]]
    assert (second["skipped"], second["eof"]) == (0, False)
    assert _tail(admin_client, job, after=second["cursor"])["lines"] == []


def test_a_log_without_lines_is_read_on_from_its_beginning(admin_client: Client) -> None:
    job = running_job()
    first = _tail(admin_client, job)
    log_line(job, "at last")

    assert (first["lines"], first["cursor"]) == ([], 0)
    assert _messages(_tail(admin_client, job, after=first["cursor"])) == ["at last"]


def test_a_reader_far_behind_jumps_and_can_load_what_was_skipped(admin_client: Client) -> None:
    job = running_job()
    _write(job, 2_301)
    start = LogLine.objects.earliest("id").id

    jumped = _tail(admin_client, job, after=start)
    first = jumped["lines"][0][0]
    loaded = _tail(admin_client, job, after=start, before=first)
    rest = _tail(admin_client, job, after=loaded["cursor"], before=first)

    assert jumped["skipped"] == 2_100
    assert len(jumped["lines"]) == 200
    assert (len(loaded["lines"]), loaded["through"]) == (2_000, False)
    assert (len(rest["lines"]), rest["through"]) == (100, True)
    assert jumped["lines"][-1][-1] == "line 2300"


def test_a_reader_not_so_far_behind_gets_every_line(admin_client: Client) -> None:
    job = running_job()
    _write(job, 2_001)
    start = LogLine.objects.earliest("id").id

    body = _tail(admin_client, job, after=start)

    assert (len(body["lines"]), body["skipped"], body["through"]) == (2_000, 0, True)


def test_an_answer_is_no_longer_than_its_limits(admin_client: Client) -> None:
    job = running_job()
    logs.write(line(job, "é" * 7_000) for _ in range(60))
    start = LogLine.objects.earliest("id").id

    body = _tail(admin_client, job, after=start)
    following = _tail(admin_client, job, after=body["cursor"])

    assert sum(len(text.encode()) for text in _messages(body)) <= 256 * 1024
    assert not body["through"]
    assert len(body["lines"]) + len(following["lines"]) == 59
    assert len(_tail(admin_client, job, after=start, limit=3)["lines"]) == 3


def test_a_line_of_a_megabyte_is_cut(admin_client: Client) -> None:
    job = running_job()
    log_line(job, "x" * 1_000_000)

    (message,) = _messages(_tail(admin_client, job))

    assert message == "x" * 8192 + "… cut, see raw"


def test_a_cut_is_told_when_what_was_stripped_made_the_line_short(admin_client: Client) -> None:
    job = running_job()
    log_line(job, "\x1b[31m" * 3_000)

    (message,) = _messages(_tail(admin_client, job))

    assert message.endswith("… cut, see raw")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]never ended", "never ended"),
        ("a\x01b\x7fc\x85d\tf\ng", "abcd\tf\ng"),
        ("50%\r100%\r\n", "50%\n100%\n"),
        ("<b>&amp;</b>", "<b>&amp;</b>"),
        ("half \ud800", "half ?"),
    ],
)
def test_terminal_sequences_and_control_characters_are_stripped(written: str, shown: str) -> None:
    assert reading.plain(written) == shown


def test_lines_are_chosen_by_attempt_level_and_text(admin_client: Client) -> None:
    job = finished_job(attempt=2)
    log_line(job, "Started", attempt=1)
    log_line(job, "DISK full", attempt=1, level=40)
    log_line(job, "disk full again", attempt=2, level=40)

    assert _messages(_tail(admin_client, job, attempt=1)) == ["Started", "DISK full"]
    assert _messages(_tail(admin_client, job, level=30, attempt=2)) == ["disk full again"]
    assert _hits(_tail(admin_client, job, q="Disk")) == ["DISK full", "disk full again"]
    assert _messages(_tail(admin_client, job, q="100%")) == []
    assert _messages(_tail(admin_client, job, level="error", after=0)) == [
        "DISK full",
        "disk full again",
    ]


def test_a_search_goes_on_where_it_stopped(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "REACH", 10)
    job = running_job()
    log_line(job, "needle at the beginning")
    _write(job, 14)
    log_line(job, "needle at the end")

    last = _tail(admin_client, job, q="needle")
    near = _tail(admin_client, job, q="needle", after=0)
    far = _tail(admin_client, job, q="needle", after=near["cursor"])

    assert _hits(last) == ["needle at the end"]
    assert (_hits(near), near["through"]) == (["needle at the beginning"], False)
    assert (_hits(far), far["through"]) == (["needle at the end"], True)


@pytest.mark.parametrize(
    ("job", "query", "eof"),
    [
        (lambda: finished_job(State.SUCCEEDED), {}, True),
        (running_job, {}, False),
        (lambda: running_job(attempt=2), {"attempt": 1}, True),
        (lambda: running_job(attempt=2), {"attempt": 2}, False),
        (lambda: queued_job(attempt=1), {"attempt": 1}, True),
        (lambda: queued_job(attempt=1), {}, False),
    ],
)
def test_a_log_ends_with_its_job_or_its_attempt(
    admin_client: Client, job: Any, query: dict[str, int], *, eof: bool
) -> None:
    assert _tail(admin_client, job(), **query)["eof"] is eof


def test_a_finished_log_has_no_end_while_lines_follow(admin_client: Client) -> None:
    job = finished_job()
    _write(job, 5)

    first = _tail(admin_client, job, after=0, limit=3)
    second = _tail(admin_client, job, after=first["cursor"], limit=3)

    assert (first["eof"], second["eof"]) == (False, True)


@pytest.mark.parametrize("name", ["after", "attempt", "level", "limit", "before"])
@pytest.mark.parametrize("value", ["x", "-1", "1e3", "٣", "9" * 19, "9" * 5_000, "1.5", "\x00"])
def test_a_parameter_that_makes_no_sense_is_named(
    admin_client: Client, name: str, value: str
) -> None:
    query: dict[str, str] = {"after": "0", name: value}

    answer = admin_client.get(_url(running_job()), query)

    assert answer.status_code == 400
    assert answer.json()["parameter"] == name
    assert answer.json()["error"].startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"after": 10**9}, "after"),
        ({"before": 5}, "before"),
        ({"limit": 0}, "limit"),
        ({"attempt": 0}, "attempt"),
        ({"q": "x" * 201}, "q"),
    ],
)
def test_a_cursor_from_nowhere_and_limits_out_of_range_are_refused(
    admin_client: Client, query: dict[str, Any], name: str
) -> None:
    job = running_job()
    log_line(job)

    answer = admin_client.get(_url(job), query)

    assert (answer.status_code, answer.json()["parameter"]) == (400, name)


def test_a_cursor_stays_good_when_the_lines_were_deleted(admin_client: Client) -> None:
    job = finished_job()
    cursor = log_line(job).id
    LogLine.objects.all().delete()

    assert _tail(admin_client, job, after=cursor) == {
        "lines": [],
        "cursor": cursor,
        "skipped": 0,
        "through": True,
        "eof": True,
        "around": [],
        "breaks": [],
    }


def test_unknown_and_forbidden_jobs_look_the_same(client: Client) -> None:
    job = running_job()
    user = get_user_model().objects.create_user("ann", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_job"))
    client.force_login(user)

    forbidden = client.get(_url(job))
    unknown = client.get(reverse("admin:jobman_job_log", args=[uuid7()]))
    raw = client.get(reverse("admin:jobman_job_log_raw", args=[job.pk]))

    assert [forbidden.status_code, unknown.status_code, raw.status_code] == [404, 404, 404]
    user.user_permissions.add(Permission.objects.get(codename="view_job_log"))
    assert client.get(_url(job)).status_code == 200


def test_only_reading_is_possible(admin_client: Client) -> None:
    assert admin_client.post(_url(running_job())).status_code == 405


def test_a_reading_costs_few_queries(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    job = running_job()
    _write(job, 300)
    start = LogLine.objects.earliest("id").id

    with django_assert_max_num_queries(8):  # session, user, job, cursor, behind, reach, lines
        _tail(admin_client, job, after=start)


def test_a_long_line_of_escapes_is_stripped_quickly() -> None:
    began = time.perf_counter()
    reading.plain("\x1b]" * 50_000 + "\x1b[" + "0" * 500_000)

    assert time.perf_counter() - began < 5
