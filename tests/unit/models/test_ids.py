from __future__ import annotations

import time
from uuid import RFC_4122, UUID

import pytest

from celery_jobman.models import ids


@pytest.mark.parametrize("make", [ids._uuid7, ids.uuid7])
def test_an_id_is_a_uuid_of_version_seven(make: type[UUID]) -> None:
    made = make()

    assert (made.version, made.variant) == (7, RFC_4122)


def test_an_id_tells_when_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_893_499_200_123_456_789)

    assert ids._uuid7().int >> 80 == 1_893_499_200_123


def test_later_ids_sort_after_earlier_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for milliseconds in range(5):
        monkeypatch.setattr(time, "time_ns", lambda now=milliseconds: now * 1_000_000)
        made.append(ids._uuid7())

    assert made == sorted(made)


def test_ids_of_one_moment_differ() -> None:
    assert len({ids._uuid7() for _ in range(1000)}) == 1000
