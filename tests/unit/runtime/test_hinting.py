from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from django.db import OperationalError

from celery_jobman.core import errands
from celery_jobman.core.hints import hints
from celery_jobman.models.ids import uuid7
from celery_jobman.runtime import broker, connection, hinting, results
from tests.celery_app import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

pytestmark = pytest.mark.django_db


def test_hints_are_followed_once_django_is_ready() -> None:
    assert (hints.due, hints.ended, hints.errand) == (
        hinting.send,
        hinting.tell,
        hinting.run_errand,
    )


def test_what_is_due_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    send = Mock()
    monkeypatch.setattr(broker, "send_all_due", send)
    job_id = uuid7()

    hinting.send([job_id])
    hinting.send([])

    send.assert_called_once_with([job_id])


def test_many_are_sent_in_slices_and_not_all(monkeypatch: pytest.MonkeyPatch) -> None:
    send = Mock(return_value=True)
    monkeypatch.setattr(broker, "send_all_due", send)
    monkeypatch.setattr(hinting, "SLICE", 2)
    monkeypatch.setattr(hinting, "AT_ONCE", 5)
    job_ids = [uuid7() for _ in range(7)]

    hinting.send(job_ids)

    assert [call.args[0] for call in send.call_args_list] == [
        job_ids[:2],
        job_ids[2:4],
        job_ids[4:6],
    ]


def test_no_more_are_tried_once_something_went_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    send = Mock(return_value=False)
    monkeypatch.setattr(broker, "send_all_due", send)
    monkeypatch.setattr(hinting, "SLICE", 2)

    hinting.send([uuid7() for _ in range(7)])

    assert send.call_count == 1


@pytest.fixture
def eager() -> Iterator[None]:
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


@pytest.mark.usefixtures("eager")
def test_nothing_is_sent_in_eager_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    send = Mock()
    monkeypatch.setattr(broker, "send_all_due", send)

    hinting.send([uuid7()])

    send.assert_not_called()


def test_celery_is_told_of_what_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    tell = Mock()
    monkeypatch.setattr(results, "all_cancelled", tell)
    job_ids = [uuid7(), uuid7()]

    hinting.tell(job_ids)

    tell.assert_called_once_with(job_ids)


def test_an_errand_is_done_slice_by_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = Mock(side_effect=[True, True, False])
    monkeypatch.setattr(errands, "go_on", go_on)

    hinting.run_errand(uuid7())

    assert go_on.call_count == 3
    moments = [call.kwargs["now"] for call in go_on.call_args_list]
    assert len(set(moments)) == 3


def test_a_long_errand_is_left_to_the_keepers(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ticking(monkeypatch)
    go_on = Mock(return_value=True)
    monkeypatch.setattr(errands, "go_on", go_on)

    hinting.run_errand(uuid7())

    assert clock[0] <= hinting.MOMENT + 0.2
    assert go_on.call_count > 1


def test_batches_inside_one_another_share_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    ticking(monkeypatch)
    inside: list[UUID] = []

    def go_on(batch_id: UUID, **_: Any) -> bool:
        inside.append(batch_id)
        hinting.run_errand(uuid7())
        return True

    monkeypatch.setattr(errands, "go_on", go_on)

    hinting.run_errand(uuid7())

    assert len(inside) < 20


def test_every_batch_gets_a_slice_however_late_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hinting, "MOMENT", 0.0)
    go_on = Mock(return_value=True)
    monkeypatch.setattr(errands, "go_on", go_on)

    with hinting.moment():
        assert hinting.go_on_with(uuid7())

    assert go_on.call_count == 1


@pytest.mark.usefixtures("eager")
def test_in_eager_mode_a_long_errand_is_done_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hinting, "MOMENT", 0.0)
    go_on = Mock(side_effect=[True] * 30 + [False])
    monkeypatch.setattr(errands, "go_on", go_on)

    hinting.run_errand(uuid7())

    assert go_on.call_count == 31


def test_fewer_members_are_ended_at_once_where_celery_is_told_of_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = Mock(return_value=False)
    monkeypatch.setattr(errands, "go_on", go_on)

    hinting.run_errand(uuid7())
    monkeypatch.setattr(results, "is_quick", lambda: True)
    hinting.run_errand(uuid7())

    limits = [call.kwargs["limit"] for call in go_on.call_args_list]
    assert limits == [hinting.SMALL_SLICE, hinting.SLICE]


def ticking(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let a tenth of a second pass between two looks at the clock."""
    passed = [0.0]

    def look() -> float:
        passed[0] += 0.1
        return passed[0]

    monkeypatch.setattr(hinting, "time", Mock(monotonic=look))
    return passed


def test_an_errand_is_left_to_the_keepers_while_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(errands, "go_on", Mock(side_effect=OperationalError("gone")))

    hinting.run_errand(uuid7())

    assert "left to a keeper" in caplog.text


def test_a_connection_that_broke_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keepers come back to the batch, and must not find the broken one every time."""
    monkeypatch.setattr(errands, "go_on", Mock(side_effect=OperationalError("closed")))
    monkeypatch.setattr(connection, "connections_busy", lambda: False)
    drop = Mock()
    monkeypatch.setattr(connection, "drop", drop)

    hinting.run_errand(uuid7())

    drop.assert_called_once_with()


def test_a_keeper_is_told_that_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands, "go_on", Mock(side_effect=OperationalError("closed")))

    with pytest.raises(OperationalError):
        hinting.go_on_with(uuid7())
