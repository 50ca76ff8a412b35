from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from django.db import DataError, OperationalError

from celery_jobman.exceptions import ClaimLost
from celery_jobman.models import Duty, Trouble
from celery_jobman.models.ids import uuid7
from celery_jobman.runtime import arrears

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_owed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(arrears, "_owed", deque(maxlen=3))
    monkeypatch.setattr(arrears, "drop", lambda: None)
    yield
    assert isinstance(arrears._owed, deque)


def test_what_is_owed_is_paid_in_order() -> None:
    paid: list[str] = []
    for name in "ab":
        arrears.owe(lambda name=name: paid.append(name))  # type: ignore[misc]

    owed = not arrears.is_clear()
    arrears.pay()

    assert (owed, paid, arrears.is_clear()) == (True, ["a", "b"], True)


def test_while_the_database_is_away_everything_stays_owed() -> None:
    first = Mock(side_effect=[OperationalError, None])
    second = Mock()
    arrears.owe(first)
    arrears.owe(second)

    arrears.pay()
    owed = not arrears.is_clear()
    second.assert_not_called()
    arrears.pay()

    assert owed
    assert arrears.is_clear()
    second.assert_called_once()


@pytest.mark.parametrize(
    ("error", "logged", "is_owed"),
    [
        (ClaimLost(), "An end came too late", False),
        (ValueError("wrong"), "An end is refused by the database", True),
    ],
)
def test_what_cannot_be_paid_is_logged_and_does_not_hold_up_the_rest(
    error: BaseException, logged: str, *, is_owed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    arrears.owe(Mock(side_effect=error))
    second = Mock()
    arrears.owe(second)

    arrears.pay()

    second.assert_called_once()
    assert logged in caplog.text
    assert arrears.is_clear() is not is_owed


def test_an_end_that_meets_another_transaction_lets_the_others_be_written() -> None:
    locked = OperationalError(1205, "Lock wait timeout exceeded")
    second = Mock()
    arrears.owe(Mock(side_effect=locked))
    arrears.owe(second)

    arrears.pay()

    second.assert_called_once()
    assert not arrears.is_clear()


@pytest.mark.django_db
def test_an_end_that_is_refused_is_a_trouble_of_its_job_until_it_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job_id = uuid7()
    arrears.owe(Mock(side_effect=[DataError("too long"), None]), job_id)

    arrears.pay()
    noted = Trouble.objects.get(row_id=job_id)
    arrears.pay()
    early = not arrears.is_clear()
    monkeypatch.setattr(arrears, "time", Mock(monotonic=lambda: float("inf")))
    arrears.pay()

    assert (noted.duty, noted.error) == (Duty.END, "DataError: too long")
    assert early
    assert arrears.is_clear()
    assert not Trouble.objects.exists()


def test_nothing_owed_is_nothing_paid() -> None:
    arrears.pay()

    assert arrears.is_clear()


def test_more_than_a_process_can_owe_is_dropped_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(arrears, "MOST", 1)
    first, second = Mock(), Mock()

    arrears.owe(first)
    arrears.owe(second)
    arrears.pay()

    assert (first.call_count, second.call_count) == (1, 0)
    assert "one was dropped" in caplog.text
