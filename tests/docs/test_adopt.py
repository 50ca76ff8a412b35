"""What the page on existing projects says of their base classes, tests and guards."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from celery import Task
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from celery_jobman import JobTask
from celery_jobman.models import Job
from celery_jobman.states import State
from celery_jobman.testing import run_job, run_jobs
from tests.celery_app import app
from tests.docs.pages import DOCS, blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.django_db

PAGE = DOCS / "howto" / "adopt.md"


def block(word: str) -> dict[str, Any]:
    """Return the names that the page's block with a word in it makes."""
    (found,) = [each for each in blocks(PAGE, "python") if word in each.code]
    names: dict[str, Any] = {"app": app}
    exec(compile(found.code, str(PAGE), "exec"), names)  # noqa: S102 - from our own page
    return names


@pytest.fixture
def declare() -> Iterator[Callable[..., Any]]:
    """Register tasks while a test runs."""
    names: list[str] = []

    def make(function: Callable[..., Any], **options: Any) -> Any:
        names.append(f"adopt.{function.__name__}")
        return app.task(name=names[-1], shared=False, **options)(function)

    yield make
    for name in names:
        app.tasks.pop(name, None)


def greet(account: Any) -> str:
    return f"hello {account.username}"


def test_a_base_that_looks_something_up(declare: Any) -> None:
    task = declare(greet, base=block("class ForAccount")["ForAccount"])
    user = User.objects.create(username="ann")

    result = task.delay(account_id=user.pk)

    assert run_job(result).return_value == "hello ann"
    assert Job.objects.get().arguments == ([], {"account_id": user.pk})


def test_a_base_that_brings_a_context_along(declare: Any) -> None:
    names = block("class OnBehalf")
    acting_user = names["acting_user"]

    def who(self: Any) -> Any:
        if self.request.retries == 0:
            self.retry(countdown=0)
        return acting_user.get()

    task = declare(who, base=names["OnBehalf"], bind=True)
    token = acting_user.set("ann")
    result = task.delay()
    acting_user.reset(token)
    run_jobs()

    job = Job.objects.get(task_id=result.id)
    assert (job.state, job.return_value, job.attempt) == (State.SUCCEEDED, "ann", 2)
    assert acting_user.get() is None


@pytest.mark.django_db(transaction=True)
def test_a_base_that_defers_its_calls_gives_the_outbox_away(declare: Any) -> None:
    def deferred() -> None:
        """Do nothing."""

    task = declare(deferred, base=block("class AfterCommit")["AfterCommit"])

    with transaction.atomic():
        task.delay()
        assert not Job.objects.exists()
    assert Job.objects.count() == 1


def test_celerys_own_task_as_a_base_is_no_job(declare: Any) -> None:
    def audited() -> None:
        """Do nothing."""

    task = declare(audited, base=block("class Audited")["Audited"])

    task.apply()

    assert issubclass(type(task), Task)
    assert not Job.objects.exists()


#: Savepoints around an end, and whether the attempt's row is a statement of its own.
EAGER = {"postgresql": 4, "sqlite": 7, "mysql": 7}


def statements(call: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as queries:
        call()
    return len(queries.captured_queries)


def test_a_job_costs_the_statements_that_the_page_names(declare: Any) -> None:
    def counted() -> None:
        """Do nothing."""

    task = declare(counted)
    task.delay()  # what is read once in a process

    assert statements(task.delay) == 1
    assert statements(task.apply) == EAGER[connection.vendor]
    assert statements(task) == 0
    assert statements(lambda: task.apply_async(track=False)) == 0
    app.conf.task_always_eager = True
    try:
        assert statements(task.delay) == EAGER[connection.vendor]
    finally:
        app.conf.task_always_eager = False


def test_jobs_are_left_out_of_a_count(declare: Any) -> None:
    def left_out() -> None:
        """Do nothing."""

    task = declare(left_out)

    with block("without_jobs")["without_jobs"]:
        assert statements(task.delay) == 0
    assert not Job.objects.exists()
    assert JobTask.track is True


def test_a_guard_that_knows_who_holds_it(declare: Any) -> None:
    begin = block("cache.add")["begin"]
    began: list[bool] = []

    def guarded(self: Any) -> None:
        began.append(begin(self, "report"))
        if self.attempts == 1:
            raise ConnectionError

    task = declare(guarded, bind=True, max_attempts=2)
    run_job(task.delay())
    run_job(task.delay())
    cache.delete("report")

    assert began == [True, True, False, False]
