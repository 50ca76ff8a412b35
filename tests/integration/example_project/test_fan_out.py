"""The import with a job for each row, run in this process on the database under test."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail

from celery_jobman import find_batch
from celery_jobman.models import Batch, Job
from celery_jobman.states import State
from celery_jobman.testing import crash_at_every_checkpoint, run_jobs
from example_project.shop import airports, loading
from example_project.shop.models import Branch
from example_project.shop.workflows import fan_out

#: Eswatini: some sixteen airports, and one that the tests add to the list.
COUNTRY = "SZ"

ROW = {
    "icao": "EPXX",
    "iata": "",
    "name": "There",
    "city": "Town",
    "subd": "",
    "country": "PL",
    "lat": "53.5",
    "lon": "18.5",
    "elevation": "121",
    "tz": "Europe/Warsaw",
}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop")]


@pytest.fixture(autouse=True)
def _one_bad_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which rows of the list are bad depends on its release; this one always is."""
    read = airports.read

    def read_one_more(*arguments: Any) -> list[airports.Row]:
        return [*read(*arguments), ROW | {"icao": "_BAD", "country": COUNTRY}]

    monkeypatch.setattr(airports, "read", read_one_more)


def import_all(**options: Any) -> Batch:
    live = fan_out.start(country=COUNTRY, **options)
    run_jobs(limit=500)
    return find_batch(live.id).row


def codes(batch: Batch) -> set[str]:
    rows = Job.objects.filter(batch_id=batch.pk, task=fan_out.import_row.name)
    return set(rows.values_list("completed_code", flat=True))


def subjects() -> list[str]:
    return [str(sent.subject) for sent in mail.outbox]


def test_every_row_is_a_member_that_says_what_became_of_it() -> None:
    batch = import_all()

    invalid = batch.total - 1 - Branch.objects.count()
    assert (batch.state, batch.succeeded) == (State.SUCCEEDED, batch.total)
    assert codes(batch) == {"created", "invalid"}
    assert invalid > 0
    assert subjects() == [
        f"{batch.total - 1} rows: {Branch.objects.count()} created, {invalid} invalid"
    ]


def test_what_is_wrong_with_a_bad_row_is_on_its_job_and_in_the_mail() -> None:
    import_all()

    bad = Job.objects.filter(completed_code="invalid").order_by("pk").last()
    assert bad is not None
    entry = bad.return_value
    assert "code _BAD is made up" in entry["error"]
    assert f"line {entry['line']}: {entry['error']}" in mail.outbox[0].body


def test_an_import_of_what_is_there_updates_it() -> None:
    first = import_all()

    second = import_all()

    assert codes(second) == {"updated", "invalid"}
    assert second.total == first.total
    assert [subject.count("updated") for subject in subjects()] == [0, 1]


def test_so_many_rows_and_no_more() -> None:
    assert import_all(limit=3).total == 4


def test_an_import_of_nothing_is_reported_too() -> None:
    fan_out.start(country="XX")
    run_jobs()

    assert subjects() == ["No rows"]


def test_a_chunk_that_was_not_committed_is_added_by_the_next_attempt_and_only_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fan_out, "CHUNK", 5)
    add, calls = fan_out._add, []

    def break_down(lines: Any, inspection: Any) -> None:
        add(lines, inspection)
        calls.append(len(lines))
        if len(calls) == 2:
            raise RuntimeError("the plug is pulled")

    monkeypatch.setattr(fan_out, "_add", break_down)
    monkeypatch.setattr(fan_out.read, "max_attempts", 2)

    batch = import_all(limit=12)

    assert calls == [5, 5, 5, 2]
    assert (batch.total, batch.state) == (13, State.SUCCEEDED)


def test_a_row_whose_job_fails_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    save = loading.save_row

    def save_most(row: Any, **options: Any) -> str:
        if row["icao"] == "FDBS":
            raise ValueError("no")
        return save(row, **options)

    monkeypatch.setattr(loading, "save_row", save_most)

    batch = import_all()

    assert (batch.state, batch.failed, batch.cancelled) == (State.FAILED, 1, 0)
    assert "1 failed" in subjects()[0]


def test_the_outcome_of_a_row_is_the_same_wherever_its_worker_is_killed() -> None:
    (line,) = airports.numbered([ROW])

    places = crash_at_every_checkpoint(
        fan_out.import_row, line.number, line.row, observe=Branch.objects.count
    )

    assert "save" in {place.step for place in places}
