from __future__ import annotations

from uuid import UUID

import pytest
from django.utils import translation

from celery_jobman import exceptions
from celery_jobman.admin.refusals import SENTENCES, told
from celery_jobman.exceptions import JobmanError
from celery_jobman.states import State

JOB = UUID("0197a0c0-0000-7000-8000-000000000001")

ERRORS = {
    exceptions.JobNotFound: exceptions.JobNotFound(JOB),
    exceptions.TransitionRefused: exceptions.TransitionRefused(JOB, "retried", State.RUNNING),
    exceptions.UnknownStep: exceptions.UnknownStep(JOB, "lod", ["fetch", "load"]),
    exceptions.UnencodableValue: exceptions.UnencodableValue("argument 1", {1}, "a set"),
    exceptions.ArgumentsRefused: exceptions.ArgumentsRefused("demo.add", "missing 'y'"),
    exceptions.MaskMoved: exceptions.MaskMoved("kwargs.token"),
    exceptions.UnknownTask: exceptions.UnknownTask("demo.add"),
    exceptions.DatabaseUnwritable: exceptions.DatabaseUnwritable("demo.add", "read-only"),
}

#: What a verb of the admin does not meet, and why.
ELSEWHERE = {
    exceptions.JobmanError: "only its subclasses are raised",
    exceptions.StepConflict: "raised to the task that runs",
    exceptions.NotASignature: "raised to who writes a workflow",
    exceptions.EndlessWorkflow: "raised to who writes a workflow",
    exceptions.PlainTask: "raised to who writes a workflow",
    exceptions.MembersRefused: "raised to who writes a workflow",
    exceptions.MembersUsedUp: "raised to who writes a workflow",
    exceptions.TaskRefused: "raised to who declares a task",
    exceptions.BodyNotRun: "kept as the job's error",
    exceptions.JobUnbegun: "kept as the job's error",
    exceptions.OptionRefused: "the forms refuse it first",
    exceptions.BatchClosed: "raised to who adds to a batch",
    exceptions.BatchNotFound: "the page is not found",
    exceptions.ResultTooLarge: "kept as the job's error",
    exceptions.ResultRefused: "told to Celery",
    exceptions.UnsendableMessage: "kept as the job's dispatch error",
    exceptions.NotInAJob: "raised to code outside a task",
    exceptions.JobFailed: "the task's own word, kept as the job's error",
    exceptions.JobLost: "kept as the job's error",
    exceptions.JobPoisoned: "kept as the job's error",
}


def _kinds() -> set[type[JobmanError]]:
    known = vars(exceptions).values()
    return {kind for kind in known if isinstance(kind, type) and issubclass(kind, JobmanError)}


def test_every_error_has_a_sentence_or_a_reason_why_not() -> None:
    assert _kinds() == SENTENCES.keys() | ELSEWHERE.keys()
    assert not SENTENCES.keys() & ELSEWHERE.keys()
    assert ERRORS.keys() == SENTENCES.keys()


@pytest.mark.parametrize("kind", SENTENCES, ids=lambda kind: kind.__name__)
def test_an_error_is_told_in_the_readers_language(kind: type[JobmanError]) -> None:
    english = told(ERRORS[kind])
    with translation.override("de"):
        german = told(ERRORS[kind])

    assert german != english
    assert english not in german


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (exceptions.JobNotFound, [str(JOB)]),
        (exceptions.UnknownStep, ["“lod”", "fetch, load"]),
        (exceptions.UnencodableValue, ["argument 1", "set"]),
        (exceptions.ArgumentsRefused, ["demo.add", "missing 'y'"]),
        (exceptions.MaskMoved, ["kwargs.token"]),
        (exceptions.UnknownTask, ["demo.add"]),
        (exceptions.DatabaseUnwritable, ["demo.add"]),
        (exceptions.TransitionRefused, ["Running"]),
    ],
)
def test_a_sentence_has_the_errors_values(kind: type[JobmanError], values: list[str]) -> None:
    sentence = told(ERRORS[kind])

    assert [value for value in values if value not in sentence] == []


def test_an_error_of_a_kind_without_a_sentence_says_itself() -> None:
    assert told(exceptions.NotInAJob("self.job")) == (
        "This could not be done: self.job works only inside a running job"
    )


def test_a_kind_of_a_known_error_has_its_sentence() -> None:
    class OtherMask(exceptions.MaskMoved):
        pass

    assert told(OtherMask("args[0]")) == told(exceptions.MaskMoved("args[0]"))
