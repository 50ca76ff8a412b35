"""Members that differ only in their arguments are composed once."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

from celery_jobman import batch
from celery_jobman.exceptions import UnencodableValue
from celery_jobman.models import Job
from celery_jobman.runtime import messages
from tests.celery_app import app
from tests.workflows import deed, note

pytestmark = pytest.mark.django_db


@app.task(name="moulds.strict")
def strict(x: int) -> int:
    return x


@pytest.fixture
def compose(monkeypatch: pytest.MonkeyPatch) -> Mock:
    spy = Mock(wraps=messages.compose)
    monkeypatch.setattr(messages, "compose", spy)
    return spy


def test_members_alike_are_composed_once(compose: Mock) -> None:
    batch(deed.s(name) for name in "abc").dispatch()

    assert compose.call_count == 1
    jobs = Job.objects.order_by("id")
    assert [job.arguments[0] for job in jobs] == [["a"], ["b"], ["c"]]
    assert [job.preview for job in jobs] == ['"a"', '"b"', '"c"']
    assert len({job.task_id for job in jobs}) == 3


def test_another_task_or_other_options_are_composed_anew(compose: Mock) -> None:
    batch([deed.s("a"), note.s("b"), deed.s("c"), deed.s("d").set(queue="slow")]).dispatch()

    assert compose.call_count == 4
    queues = Job.objects.order_by("id").values_list("queue", flat=True)
    assert list(queues) == ["celery", "celery", "celery", "slow"]


def test_arguments_are_checked_all_the_same() -> None:
    with pytest.raises(TypeError):
        batch([strict.s(1), strict.s(1, 2)]).dispatch()
    with pytest.raises(UnencodableValue):
        batch([strict.s(1), strict.s({1})]).dispatch()

    assert not Job.objects.exists()


def test_a_task_that_names_each_call_is_asked_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    def shadow_name(*given: Any) -> str:
        return f"number {given[1][0]}"

    monkeypatch.setattr(type(strict), "shadow_name", shadow_name)

    batch([strict.s(1), strict.s(2)]).dispatch()

    labels = Job.objects.order_by("id").values_list("label", flat=True)
    assert list(labels) == ["number 1", "number 2"]
