from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from celery_jobman.core import hints
from celery_jobman.models.database import atomic
from celery_jobman.models.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("hint", "name"),
    [
        (hints.due, "due"),
        (hints.ended, "ended"),
        (hints.errand, "errand"),
        (hints.stood_in, "stood_in"),
    ],
)
def test_a_hint_is_given_after_the_commit(
    hint: Callable[[object], None],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Callable[..., object],
) -> None:
    told: list[object] = []
    monkeypatch.setattr(hints.hints, name, told.append)
    what = uuid7()

    with django_capture_on_commit_callbacks(execute=True), atomic():  # type: ignore[attr-defined]
        hint(what)
        assert told == []

    assert told == [what]


def test_what_follows_a_hint_may_fail(
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Callable[..., object],
) -> None:
    def refuse(_: object) -> None:
        raise OSError("no broker")

    monkeypatch.setattr(hints.hints, "due", refuse)

    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        hints.due([uuid7()])
