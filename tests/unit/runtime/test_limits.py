"""Values of options that no broker takes and no database holds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model

from celery_jobman import actions, batch, chain, group
from celery_jobman.core import links
from celery_jobman.exceptions import OptionRefused
from celery_jobman.models import Batch, Job
from celery_jobman.runtime import messages
from celery_jobman.runtime.outcomes import FALLBACK_DELAY, delay
from celery_jobman.testing import run_jobs
from tests.celery_app import app
from tests.factories import NOON, blocked_job, queued_job
from tests.workflows import deed

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Task

pytestmark = pytest.mark.django_db

NAIVE = datetime(2190, 1, 1)  # noqa: DTZ001
NUL, HALF, LONG = "a\0b", "a\ud800b", "x" * 256

REFUSED: list[tuple[str, Any]] = [
    *[("countdown", value) for value in (1e12, -1e12, float("nan"), float("inf"), 10**400, "soon")],
    *[("countdown", value) for value in ([1], timedelta(hours=1))],
    *[("expires", value) for value in (1e12, float("nan"), float("-inf"), "soon", [1])],
    *[(name, datetime(2190, 1, 1)) for name in ("eta", "expires")],  # noqa: DTZ001 - naive
    *[(name, "2190-01-01T00:00:00") for name in ("eta", "expires")],
    *[(name, datetime.max.replace(tzinfo=UTC)) for name in ("eta", "expires")],
    *[(name, datetime.min.replace(tzinfo=UTC)) for name in ("eta", "expires")],
    ("eta", date(2190, 1, 1)),
    *[("priority", value) for value in (300, -1, "high", 1.5, True)],
    *[("queue", value) for value in ("", " ", NUL, HALF, LONG, 7)],
    *[("task_id", value) for value in ("", NUL, HALF, LONG)],
    *[("shadow", value) for value in (NUL, HALF, LONG)],
    *[("routing_key", value) for value in (NUL, LONG)],
    *[("tags", value) for value in ("abc", [1], [NUL], [HALF], {"a": 1})],
    *[("attribs", value) for value in ([1], {"a": NUL}, {HALF: 1}, {"a": [{"b": NUL}]})],
    *[("attribs", {"a": value}) for value in (float("nan"), [float("inf")], {1}, b"a", NAIVE)],
    *[(name, value) for name in ("group_index", "retries") for value in (-1, 2**31, "1", 1.5)],
    *[("owner", value) for value in ("nobody", "", [1], get_user_model()())],
    ("tags", 5),
    ("headers", [1]),
    *[("time_limit", value) for value in ("long", float("nan"))],
    ("soft_time_limit", 1e12),
    *[("serializer", value) for value in ("nosuch", 7)],
    ("compression", "nosuch"),
]  # fmt: skip

A = deed.si("a")

X = deed.si("x")

PLACES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a call": lambda options: deed.apply_async(("x",), **options),
    "a signature": lambda options: X.clone().set(**options).apply_async(),
    "a first link": lambda options: chain(X.clone().set(**options), A).dispatch(),
    "a later link": lambda options: chain(A, X.clone().set(**options)).dispatch(),
    "a member": lambda options: batch([A, group(X.clone().set(**options))]).dispatch(),
    "a callback": lambda options: batch([A]).then(X.clone().set(**options)).dispatch(),
    "a whole": lambda options: batch([A]).set(**options).dispatch(),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_what_cannot_be_kept_is_refused_where_it_is_written(
    name: str, value: Any, place: str
) -> None:
    options = {name: value}

    with pytest.raises(OptionRefused, match=f"the option {name} is") as refused:
        PLACES[place](options)

    assert refused.value.option == name
    assert not Job.objects.exists()
    assert not Batch.objects.exists()


@pytest.mark.parametrize("name", [NUL, HALF, LONG, 7, None])
@pytest.mark.parametrize("make", [batch, chain, group])
def test_a_name_that_no_database_takes_is_refused(make: Any, name: Any) -> None:
    with pytest.raises(OptionRefused, match="the option name is"):
        make([A], name=name)


@pytest.mark.parametrize(
    "options",
    [
        {"countdown": 0}, {"countdown": -5}, {"countdown": "60"}, {"expires": 0.5},
        {"eta": datetime(1999, 1, 1, tzinfo=UTC)}, {"eta": "2190-01-01T00:00:00+02:00"},
        {"priority": 0}, {"priority": 255}, {"queue": "q" * 255}, {"queue": "k\u00e4se"},
        {"task_id": "t" * 255}, {"shadow": ""}, {"tags": ("a",)}, {"time_limit": 0},
    ],
)  # fmt: skip
def test_what_can_be_kept_is_taken(options: dict[str, Any]) -> None:
    deed.apply_async(("x",), **options)

    chain(A, deed.si("x").set(**options)).dispatch()

    assert Job.objects.count() == 3


@pytest.mark.parametrize("seconds", [1e12, float("nan"), float("inf"), "soon"])
def test_a_body_that_releases_itself_for_an_absurd_time_is_told(seconds: Any) -> None:
    def body(self: Any) -> None:
        self.release(seconds)

    task = app.task(name="limits.body", bind=True, shared=False)(body)
    live = chain(task.si(), A).dispatch()

    run_jobs()

    job = Job.objects.get(task="limits.body")
    app.tasks.pop("limits.body")
    assert (job.state, live.row.state) == ("failed", "failed")
    assert "1,000 years" in job.error_message


@pytest.mark.parametrize("options", [{"countdown": 1e12}, {"eta": NAIVE}, {"priority": 300}])
def test_a_retry_that_cannot_be_kept_is_refused(options: dict[str, Any]) -> None:
    (name,) = options

    with pytest.raises(OptionRefused, match=f"the option {name} is"):
        messages.changed_by_retry(deed, (), {}, {"retries": 1, **options})


def nothing() -> None:
    pass


@pytest.mark.parametrize("seconds", [1e12, 1e300, float("nan"), float("inf"), timedelta.max])
def test_a_backoff_without_use_is_replaced(app: Any, seconds: Any) -> None:
    task: Task = app.task(name="limits.backoff", backoff=lambda _: seconds, shared=False)(nothing)

    wait = delay(task, 1)

    app.tasks.pop("limits.backoff")
    assert wait == FALLBACK_DELAY


@pytest.mark.parametrize("delay", [timedelta(days=9_000_000), timedelta(days=-9_000_000)])
def test_the_end_of_a_link_does_not_fail_by_the_delay_of_the_next(delay: timedelta) -> None:
    link = blocked_job()
    link.delay = link.expires_after = delay

    links.release_job(link, None, now=NOON)

    assert Job.objects.get(pk=link.id).state == "scheduled"


def test_a_job_is_not_moved_to_a_time_that_no_database_holds() -> None:
    job = queued_job()

    for moment in (datetime.max.replace(tzinfo=UTC), datetime(2190, 1, 1)):  # noqa: DTZ001 - naive
        with pytest.raises(ValueError, match="the time of a job must be"):
            actions.reschedule(job.id, moment)

    assert Job.objects.get(pk=job.id).state == "queued"
