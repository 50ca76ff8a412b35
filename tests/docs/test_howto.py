"""What the how-to pages say of enqueueing, ending and testing jobs."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from celery.signals import before_task_publish
from django.contrib.auth.models import User
from django.db import transaction

from celery_jobman import JobTask, current_job, step
from celery_jobman.exceptions import NotInAJob, UnencodableValue
from celery_jobman.models import Attempt, Job, Step
from celery_jobman.states import State
from tests.celery_app import app

if TYPE_CHECKING:
    from pytest_django import DjangoCaptureOnCommitCallbacks
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


@app.task(bind=True, name="docs.resize", steps=("fetch", "resize"))
def resize(self: Any, width: int) -> Any:
    picture = self.step("fetch", lambda: "picture")
    self.progress(1, total=2)
    return self.step("resize", lambda: f"{picture} {width}")


@app.task(bind=True, name="docs.loop")
def loop(self: Any) -> list[int]:
    return list(self.iterate("load", [1, 2, 3]))


@app.task(bind=True, name="docs.flaky", max_attempts=3, backoff=[0, 0])
def flaky(self: Any, failures: int) -> int:
    if self.attempts <= failures:
        raise ValueError("not yet")
    return int(self.attempts)


@app.task(bind=True, name="docs.ending")
def ending(self: Any, method: str, *arguments: Any) -> Any:
    return getattr(self, method)(*arguments)


@app.task(name="docs.untracked", track=False)
def untracked() -> None: ...


class AfterCommitTask(JobTask):
    """Puts itself off, as the page on traces shows."""

    abstract = True

    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        transaction.on_commit(lambda: super(AfterCommitTask, self).apply_async(*args, **kwargs))


class LetJobsPass(JobTask):
    """The form that the page recommends."""

    abstract = True

    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        if self.track:
            return super().apply_async(*args, **kwargs)
        return transaction.on_commit(lambda: super(LetJobsPass, self).apply_async(*args, **kwargs))


@app.task(name="docs.put-off", base=AfterCommitTask)
def put_off() -> None: ...


@app.task(name="docs.passed", base=LetJobsPass)
def passed() -> None: ...


@app.task(name="docs.not-passed", base=LetJobsPass, track=False)
def not_passed() -> None: ...


class TestTracing:
    @pytest.mark.parametrize(
        ("task", "inside", "after"), [(put_off, 0, 1), (passed, 1, 1), (not_passed, 0, 0)]
    )
    def test_what_puts_itself_off_has_no_row_in_your_transaction(
        self,
        task: Any,
        inside: int,
        after: int,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True) as callbacks:
            task.delay()
            assert Job.objects.count() == inside

        assert Job.objects.count() == after
        assert len(callbacks) >= 1

    def test_a_header_of_your_own_is_stored_with_the_job(self) -> None:
        def remember_shop(headers: dict[str, Any], **_: Any) -> None:
            headers["shop"] = 7

        before_task_publish.connect(remember_shop)
        try:
            result = resize.apply_async((100,), countdown=60)
        finally:
            before_task_publish.disconnect(remember_shop)

        assert json.loads(Job.objects.get(task_id=result.id).message)["headers"] == {"shop": 7}


class TestEnqueue:
    def test_inside_a_transaction_the_job_is_queued_and_nothing_is_sent(self) -> None:
        result = resize.delay(100)

        job = Job.objects.get()
        assert str(job.id) == result.id
        assert job.state == State.QUEUED
        assert job.arguments == ([100], {})

    def test_the_message_waits_for_the_commit(
        self, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
    ) -> None:
        with django_capture_on_commit_callbacks() as waiting:
            resize.delay(100)

        assert len(waiting) == 1

    def test_unless_it_is_told_not_to(
        self,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
        settings: Settings,
    ) -> None:
        with django_capture_on_commit_callbacks() as waiting:
            resize.apply_async((100,), after_commit=False)
            settings.JOBMAN = {"AFTER_COMMIT": False}
            resize.delay(100)

        assert waiting == []

    def test_options_of_a_call_are_on_the_row(self) -> None:
        owner = User.objects.create(username="ada")

        resize.apply_async((1,), owner=owner, tags=["nightly"], attribs={"page": 7}, shadow="thumb")

        job = Job.objects.get()
        assert (job.owner, job.tags, job.attribs) == (owner, ["nightly"], {"page": 7})
        assert job.label == "thumb"

    def test_a_delayed_job_waits_in_the_database(self) -> None:
        resize.apply_async((100,), countdown=3600)

        assert Job.objects.get().state == State.SCHEDULED

    def test_an_untracked_call_is_no_job(self) -> None:
        untracked.apply()
        resize.apply_async((100,), track=False)
        app.control.purge()  # a worker of another test would make a job of it

        assert not Job.objects.exists()

    def test_a_model_is_refused_with_what_to_pass_instead(self) -> None:
        with pytest.raises(UnencodableValue, match=r"argument 1 is a User .* pass an id"):
            resize.delay(User(username="ada"))

        assert not Job.objects.exists()

    def test_an_argument_that_is_missing_is_a_type_error(self) -> None:
        with pytest.raises(TypeError, match="width"):
            resize.delay()

        assert not Job.objects.exists()


class TestApply:
    def test_a_job_runs_here_with_its_steps(self) -> None:
        assert resize.apply((100,)).get() == "picture 100"

        job = Job.objects.get()
        assert (job.state, job.eager, job.return_value) == (State.SUCCEEDED, True, "picture 100")
        assert list(Step.objects.values_list("name", flat=True)) == ["fetch", "resize"]

    def test_a_failed_attempt_is_followed_by_the_next(self) -> None:
        assert flaky.apply((2,)).get() == 3

        assert list(Attempt.objects.order_by("number").values_list("outcome", flat=True)) == [
            "failed",
            "failed",
            "succeeded",
        ]

    def test_a_job_fails_with_its_last_attempt(self) -> None:
        with pytest.raises(ValueError, match="not yet"):
            flaky.apply((3,)).get()

        assert Job.objects.get().state == State.FAILED

    def test_a_result_may_have_a_code(self) -> None:
        assert ending.apply(("complete", 5, "created")).get() == 5

        job = Job.objects.get()
        assert (job.return_value, job.completed_code) == (5, "created")

    def test_a_job_can_skip_itself(self) -> None:
        ending.apply(("skip", "no longer subscribed"))

        job = Job.objects.get()
        assert (job.state, job.completed_code) == (State.SUCCEEDED, "no longer subscribed")

    def test_a_job_can_fail_itself_for_good(self) -> None:
        ending.apply(("fail", "the account is closed"))

        job = Job.objects.get()
        assert (job.state, job.error_message) == (State.FAILED, "the account is closed")

    def test_a_job_can_be_put_back_and_does_not_run_again_here(self) -> None:
        ending.apply(("release", 30))

        job = Job.objects.get()
        assert (job.state, job.releases, job.failures) == (State.QUEUED, 1, 0)


class TestPlainCall:
    def test_steps_and_progress_work_without_a_job(self) -> None:
        assert resize(100) == "picture 100"
        assert step("fetch", str, 1) == "1"
        assert current_job() is None
        assert not Job.objects.exists()

    @pytest.mark.parametrize("method", ["release", "skip", "fail"])
    def test_what_needs_a_job_says_so(self, method: str) -> None:
        with pytest.raises(NotInAJob):
            ending(method, "x")

    def test_a_loop_needs_a_job(self) -> None:
        with pytest.raises(NotInAJob):
            loop()
