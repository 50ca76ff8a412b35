from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman import chain
from celery_jobman.exceptions import OptionRefused, TaskWarning
from celery_jobman.models import Job
from celery_jobman.runtime import option_names
from celery_jobman.runtime.messages import NOT_STORED
from celery_jobman.runtime.task import OURS, ROW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery, Task

pytestmark = pytest.mark.django_db

MISSPELLED = [
    ("ownr", "owner"),
    ("tag", "tags"),
    ("attribts", "attribs"),
    ("after_comit", "after_commit"),
    ("trak", "track"),
    ("allow_failures", "allow_failure"),
]


@pytest.mark.parametrize(("name", "meant"), MISSPELLED)
def test_a_misspelled_option_of_ours_is_answered_with_the_one_that_was_meant(
    task: Task, name: str, meant: str
) -> None:
    with pytest.raises(OptionRefused, match=f"the option {name} is 3; .*; write {meant}"):
        task.apply_async((1,), **{name: 3})

    assert not Job.objects.exists()


@pytest.fixture
def eager(app: Celery) -> Iterator[None]:
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


@pytest.mark.usefixtures("eager")
def test_it_is_in_eager_mode_too(task: Task) -> None:
    with pytest.raises(OptionRefused, match=r"the option ownr is 3; .*; write owner"):
        task.apply_async((1,), ownr=3)


def test_it_is_in_a_workflow_too(task: Task) -> None:
    with pytest.raises(OptionRefused, match=r"the option ownr is 3; .*; write owner"):
        chain(task.s(1).set(ownr=3)).dispatch()


@pytest.mark.parametrize(
    ("name", "question"),
    [("count_down", r" \(did you mean 'countdown'\?\)"), ("customer", "")],
)
def test_an_option_that_nobody_knows_is_warned_of_and_travels(
    task: Task, name: str, question: str
) -> None:
    with pytest.warns(TaskWarning, match=f"the option {name} .*travels in the message{question}$"):
        task.apply_async((1,), **{name: 3})

    assert json.loads(Job.objects.get().message)[name] == 3


@pytest.mark.parametrize(
    "options",
    [
        {"countdown": 1, "link_error": None, "shadow": "x", "retry": False, "expires": 60},
        {"delivery_mode": 1, "message_id": "m", "MessageGroupId": "g", "ignore_result": True},
        {"stamped_headers": ["customer"], "customer": 3},
        {"periodic_task_name": "nightly", "tags": ["a"]},
    ],
)
def test_options_of_celery_its_messages_and_stamps_pass(
    task: Task, options: dict[str, Any]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        task.apply_async((1,), **options)

    assert Job.objects.exists()


def test_a_task_that_is_no_job_passes_on_what_it_is_given(plain: Task) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain.apply_async((1,), ownr=3)


def test_every_option_of_ours_is_known() -> None:
    assert {*OURS, "track"} <= option_names.OWN
    assert ROW in option_names.KNOWN


def test_every_option_with_a_column_of_its_own_is_known() -> None:
    assert NOT_STORED <= option_names.KNOWN
