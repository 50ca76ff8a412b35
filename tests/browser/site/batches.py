"""The site's batches: workflows that run, succeeded and failed, and one that is hostile."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from celery_jobman.models import Batch, Job
from celery_jobman.states import State
from tests.factories import begun_batch, linked, member, nested

if TYPE_CHECKING:
    from datetime import datetime

SHOP: Final = "example_project.shop.tasks"
#: What members failed with, and how many did.
ERRORS: Final = {
    "smtplib.SMTPServerDisconnected: Connection unexpectedly closed": 4,
    "ValueError: row 12 has no name": 2,
    "requests.exceptions.ReadTimeout: HTTPSConnectionPool(host='api.example.com', port=443): Read"
    " timed out. (read timeout=10)": 3,
    "shop.errors.OutOfStock: no more tea": 1,
    "KeyError: 'email'": 1,
    "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0": 1,
    "celery_jobman.exceptions.JobLost: its worker was silent": 1,
}
#: How the members of a fan-out stand.
FAN: Final = [State.SUCCEEDED] * 24 + [State.FAILED] * 3 + [State.RUNNING] * 5 + [State.QUEUED] * 8


def make(now: datetime, hostile: str) -> dict[str, str]:
    """Make the batches and return their ids by name."""
    made: dict[str, Batch | Job] = {
        "workflow": _workflow(now),
        "ended workflow": _workflow_that_ended(now),
        "failed batch": _failed(now),
        "hostile batch": _hostile(now, hostile),
        "many errors": _many_errors(now),
        "batch to cancel": _plain(now, "To be cancelled"),
    }
    made["a link"] = Job.objects.get(task=f"{SHOP}.split")
    return {name: str(row.pk) for name, row in made.items()}


def _workflow(now: datetime) -> Batch:
    began: dict[str, Any] = {
        "created_at": now - timedelta(minutes=9),
        "started_at": now - timedelta(minutes=8),
    }
    whole = begun_batch(
        kind="chain",
        name="nightly import",
        total=5,
        succeeded=2,
        pending=3,
        tags=["nightly"],
        **began,
    )
    fetch, split = (_ended(whole, f"{SHOP}.{name}", now) for name in ("fetch", "split"))
    fan = nested(
        whole,
        kind="group",
        name="regions",
        total=len(FAN),
        failed=3,
        succeeded=24,
        pending=13,
        **began,
    )
    for position, state in enumerate(FAN):
        _in(fan, state, f"{SHOP}.import_branch", now, position=position)
    after = nested(whole, State.BLOCKED, kind="group", name="publish", total=4, pending=4)
    names = ("merge", "index")
    pair = [_in(after, State.BLOCKED, f"{SHOP}.{name}", now) for name in names]
    linked(*pair)
    _in(after, State.BLOCKED, f"{SHOP}.rebuild_statistics", now, position=1)
    inner = nested(after, State.BLOCKED, kind="chain", total=2, pending=2, position=2)
    linked(*[_in(inner, State.BLOCKED, f"{SHOP}.{name}", now) for name in ("warm_up", "notify")])
    report = _in(whole, State.BLOCKED, f"{SHOP}.report_to_everyone_who_asked", now)
    linked(fetch, split, fan, after, report)
    return whole


def _workflow_that_ended(now: datetime) -> Batch:
    """Two ways to a report; the one through the larger of two groups took longest."""
    began = now - timedelta(minutes=9)

    def until(minutes: float) -> dict[str, Any]:
        return {"started_at": began, "finished_at": began + timedelta(minutes=minutes)}

    def group(of: Batch, name: str, minutes: int, **fields: Any) -> Batch:
        ended = {"created_at": began, **until(minutes), **fields}
        return nested(of, State.SUCCEEDED, kind="group", name=name, **ended)

    named = {"kind": "chain", "name": "weekly report", "created_at": began}
    whole = begun_batch(State.SUCCEEDED, total=3, **named, **until(8))
    first = _in(whole, State.SUCCEEDED, f"{SHOP}.fetch_report", now, **until(1))
    both = group(whole, "countries", 7, total=3, skipped=1)
    for position, (name, size, minutes) in enumerate([("small ones", 2, 3), ("large ones", 9, 6)]):
        inner = group(both, name, minutes, total=size, position=position)
        for each in range(size):
            place = {"position": each, **until(minutes * (each + 1) / size)}
            _in(inner, State.SUCCEEDED, f"{SHOP}.count_{each}", now, **place)
        place = {"position": position, **until(minutes + 1)}
        linked(inner, _in(both, State.SUCCEEDED, f"{SHOP}.add_up", now, **place))
    never = {"position": 2, **until(2), "started_at": None}
    _in(both, State.SKIPPED, f"{SHOP}.compare", now, **never)
    linked(first, both, _in(whole, State.SUCCEEDED, f"{SHOP}.mail_weekly", now, **until(8)))
    return whole


def _failed(now: datetime) -> Batch:
    callbacks = {
        "then": [{"task": f"{SHOP}.announce"}],
        "finally": [{"task": f"{SHOP}.clean_up"}],
        "catch": [{"task": f"{SHOP}.alarm"}],
    }
    times = {"created_at": now - timedelta(hours=2), "started_at": now - timedelta(hours=2)}
    whole = begun_batch(
        State.FAILED,
        name="Mails of March",
        **{
            "total": 12,
            "failed": 2,
            "cancelled": 3,
            "finished_at": now - timedelta(hours=1),
            **times,
        },
        callbacks=json.dumps(callbacks),
        allow_failures="5%",
        error_message="SMTPServerDisconnected: connection lost",
    )
    states = [State.SUCCEEDED] * 7 + [State.FAILED] * 2 + [State.CANCELLED] * 3
    jobs = [
        _in(whole, state, f"{SHOP}.send_mail", now, position=position)
        for position, state in enumerate(states)
    ]
    Batch.objects.filter(pk=whole.pk).update(error_job_id=jobs[7].pk)
    for role in ("catch", "finally"):
        name = {"catch": "alarm", "finally": "clean_up"}[role]
        _in(whole, State.SUCCEEDED, f"{SHOP}.{name}", now, role=role, position=None)
    return whole


def _many_errors(now: datetime) -> Batch:
    began = now - timedelta(minutes=9)
    times: dict[str, Any] = {"created_at": began, "started_at": began}
    count = sum(ERRORS.values())
    whole = begun_batch(name="Mails of April", total=40, failed=count, **times)
    jobs: list[Job] = []
    for number, (text, often) in enumerate(ERRORS.items()):
        name, _colon, message = text.partition(": ")
        told = {"error_class": name, "error_message": message, "fingerprint": f"{number:032}"}
        jobs += [_in(whole, State.FAILED, f"{SHOP}.send_mail", now, **told) for _ in range(often)]
    first = {"error_job_id": jobs[4].pk, "error_message": jobs[4].error_message}
    Batch.objects.filter(pk=whole.pk).update(**first)
    return whole


def _hostile(now: datetime, text: str) -> Batch:
    whole = begun_batch(name=text[:200], total=2, failed=1, tags=[text], error_message=text)
    _in(whole, State.FAILED, text[:200], now, label=text[:60], error_message=text)
    nested(whole, name="wide" * 50, total=0, position=1)
    return whole


def _plain(now: datetime, name: str) -> Batch:
    whole = begun_batch(name=name, total=2, created_at=now, started_at=now)
    for position in range(2):
        _in(whole, State.QUEUED, f"{SHOP}.send_mail", now, position=position)
    return whole


def _ended(whole: Batch, task: str, now: datetime) -> Job:
    return _in(whole, State.SUCCEEDED, task, now)


def _in(of: Batch, state: State, task: str, now: datetime, **fields: Any) -> Job:
    times: dict[str, Any] = {"created_at": now - timedelta(minutes=8)}
    if state in {State.SUCCEEDED, State.FAILED, State.CANCELLED, State.RUNNING}:
        times["started_at"] = now - timedelta(minutes=7)
    if state in {State.SUCCEEDED, State.FAILED, State.CANCELLED}:
        times["finished_at"] = now - timedelta(minutes=6)
    failed = {"error_class": "ValueError", "error_message": "row 12 has no name"}
    told = failed if state == State.FAILED else {}
    return member(of, state, task=task, **{**times, **told, **fields})
