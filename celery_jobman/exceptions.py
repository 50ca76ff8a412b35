"""Every error the package raises on purpose.

Errors carry the values they speak of as attributes, and say in lower case what was
asked, of which row, and what to do about it.
"""

from __future__ import annotations

from difflib import get_close_matches
from reprlib import repr as shorten
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any
    from uuid import UUID


#: How much two names must have in common for one to be meant by the other, of 1.
ALIKE = 0.75


def nearest(name: object, known: Iterable[str], alike: float = ALIKE) -> str | None:
    """Return the name that somebody may have meant who wrote ``name``; None if no one is near."""
    by_letters = {each.lower(): each for each in known}
    found = get_close_matches(str(name).lower(), by_letters, n=1, cutoff=alike)
    return by_letters[found[0]] if found else None


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return a question to end an error with; empty if no known name is near."""
    meant = nearest(name, known)
    return f" (did you mean {meant!r}?)" if meant else ""


def _rebuild(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    error = kind.__new__(kind)
    error.args = args
    return error


def _reduce(self: BaseException) -> tuple[Any, ...]:
    """Let an exception be copied and pickled, whatever its ``__init__`` asks for."""
    return _rebuild, (type(self), self.args), vars(self)


class JobmanError(Exception):
    """Base class of every error below."""

    __reduce__ = _reduce


class JobNotFound(JobmanError):
    """No job has this id or task id."""

    def __init__(self, reference: object) -> None:
        super().__init__(f"there is no job {reference!s}; `jobman list` shows the ids there are")
        self.reference = reference


class TransitionRefused(JobmanError):
    """A job's (or batch's) state does not lead where it was asked to go.  Nothing was written."""

    def __init__(
        self, job_id: UUID, verb: str, state: str, hint: str = "", *, noun: str = "job"
    ) -> None:
        advice = f"; {hint}" if hint else ""
        super().__init__(f"{noun} {job_id} is {state} and cannot be {verb}{advice}")
        self.job_id = job_id
        self.verb = verb
        self.state = state


class BatchNotFound(JobmanError):
    """No batch has this id."""

    def __init__(self, reference: object) -> None:
        super().__init__(
            f"there is no batch {reference!s}; `jobman batch list` shows the ids there are"
        )
        self.reference = reference


class BatchClosed(JobmanError):
    """Nothing can be added to a batch that has finished or is being stopped.

    Nothing was written.
    """

    def __init__(self, batch_id: UUID, state: str) -> None:
        super().__init__(
            f"batch {batch_id} is {state}, nothing can be added to it; dispatch a batch of its"
            " own, or add from inside a member, which keeps it open"
        )
        self.batch_id = batch_id
        self.state = state


class NotASignature(JobmanError, TypeError):
    """A member of a workflow is nothing that can be called later.  Nothing was written."""

    def __init__(self, value: object) -> None:
        super().__init__(
            f"{shorten(value)} is a {type(value).__name__}, not a signature; a workflow is made of"
            " signatures such as task.s(1), and of chains, groups, chords and batches of them"
        )
        self.value = value


class MembersRefused(JobmanError, TypeError):
    """The members of a workflow cannot be read one after the other.  Nothing was written."""

    def __init__(self, value: object) -> None:
        super().__init__(
            f"the members are a {type(value).__name__}, which has no members in an order; give a"
            " list of signatures, a generator, or a function that returns one"
        )
        self.value = value


class MembersUsedUp(JobmanError, ValueError):
    """The members of a workflow were read before, and can be only once.  Nothing was written."""

    def __init__(self, source: object) -> None:
        super().__init__(
            f"the members come from a {type(source).__name__} that was read before, which can be"
            " done only once; give a list, or a function that returns a new generator"
        )


class EndlessWorkflow(JobmanError, ValueError):
    """A workflow contains itself.  Nothing was written."""

    def __init__(self) -> None:
        super().__init__("the workflow contains itself, it would never end; take one of them out")


class PlainTask(JobmanError):
    """A member of a durable workflow is no job, so its end could not be recorded.

    Nothing was written.
    """

    def __init__(self, task: str) -> None:
        super().__init__(
            f"{task} is not a JobTask, or is not tracked, so a durable workflow cannot wait for"
            " it; give it base=JobTask, or use Celery's own canvas"
        )
        self.task = task


class ResultTooLarge(JobmanError):
    """A result is too large to be passed on to the next link; what made it has failed."""

    def __init__(self, link_id: UUID, size: int, limit: int) -> None:
        super().__init__(
            f"the result of {link_id} has {size} characters, more than the {limit} that are"
            ' passed on (JOBMAN["RESULT_LIMIT"]); store it and return where it is'
        )
        self.link_id = link_id
        self.size = size
        self.limit = limit


class ResultRefused(JobmanError):
    """The database does not take a result that others wait for; what made it has failed."""

    def __init__(self, job_id: UUID) -> None:
        super().__init__(
            f"the database did not take the result of job {job_id}, its row says why; store what"
            " it returns elsewhere, and return where it is"
        )
        self.job_id = job_id


class UnknownStep(JobmanError):
    """The job has no step of this name, neither recorded nor declared."""

    def __init__(self, job_id: UUID, step: str, known: Iterable[str]) -> None:
        self.job_id = job_id
        self.step = step
        self.known = tuple(known)
        names = ", ".join(self.known) or "none"
        super().__init__(f"job {job_id} has no step {step!r}; its steps are: {names}")


class StepConflict(JobmanError):
    """A step's name stands for another step already.  The step was not stored.

    It was used twice in one attempt, or what earlier attempts have stored under it is of
    another kind (a loop, and not a step); nothing was run then.  Or the database takes it for
    the name of another step (MySQL: names that differ only in case); the step has run.
    """

    def __init__(self, job_id: UUID, step: str, reason: str = "") -> None:
        super().__init__(
            f"job {job_id} cannot use the step name {step!r}, because {reason}; give the step"
            " a name of its own"
            if reason
            else f"job {job_id} uses the step name {step!r} twice in one attempt;"
            f" give each step its own name, for example {step + ':2'!r}"
        )
        self.job_id = job_id
        self.step = step


class UnencodableValue(JobmanError, TypeError):
    """A value cannot be written as JSON.  No row was written."""

    def __init__(self, what: str, value: object, reason: object = "") -> None:
        advice = "pass an id, a string or another JSON value instead"
        because = f" ({reason})" if reason else ""
        kind = type(value).__name__
        super().__init__(f"{what} is a {kind} and cannot be written as JSON{because}; {advice}")
        self.what = what
        self.value = value


class OptionRefused(JobmanError, ValueError):
    """An option of a call has a value that cannot be kept or has no meaning there.

    Nothing was written.
    """

    def __init__(self, option: str, value: object, reason: object) -> None:
        super().__init__(f"the option {option} is {shorten(value)}; {reason}")
        self.option = option
        self.value = value


class TaskRefused(JobmanError, ValueError):
    """A task is declared in a way that cannot work.

    It cannot be called, and no worker starts with it.
    """

    def __init__(self, task: str, what: str, advice: str) -> None:
        super().__init__(f"task {task}: {what}; {advice}")
        self.task = task


class BodyNotRun(JobmanError, TypeError):
    """A task returned a coroutine or a generator, so nothing of its work was done."""

    def __init__(self, task: str, value: object) -> None:
        super().__init__(
            f"{task} returned a {type(value).__name__}, whose body nobody runs; run it in a plain"
            " function, with async_to_sync() of asgiref or with list()"
        )
        self.task = task


class TaskWarning(UserWarning):
    """A task's declaration, or a call of it, looks like a mistake, and may be none."""


class ArgumentsRefused(JobmanError, TypeError):
    """Edited arguments do not fit the task's signature.  Nothing was written."""

    def __init__(self, task: str, reason: object) -> None:
        super().__init__(f"the arguments do not fit {task}: {reason}")
        self.task = task
        self.reason = str(reason)


class MaskMoved(JobmanError, ValueError):
    """A masked value stands where no value was masked.  Nothing was written."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"the masked value at {path} has no stored value to stand for; leave masked values"
            " where they were, or write the value itself"
        )
        self.path = path


class UnknownTask(JobmanError):
    """The task is not registered in this process.  Nothing was written."""

    def __init__(self, task: str) -> None:
        super().__init__(
            f"no task is registered as {task!r}; check the spelling and that the app that"
            " defines it is in INSTALLED_APPS"
        )
        self.task = task


class UnsendableMessage(JobmanError):
    """A job's message cannot be made or encoded, whichever broker there is; its job waits."""

    def __init__(self, task: str, reason: BaseException) -> None:
        super().__init__(
            f"the message of {task} cannot be made ({type(reason).__name__}: {reason}); cancel the"
            " job, and enqueue it anew with other arguments or options"
        )
        self.task = task


class DatabaseUnwritable(JobmanError):
    """The job's row could not be written, so nothing was enqueued."""

    def __init__(self, task: str, reason: object, *, is_refusal: bool = False) -> None:
        advice = "call again when the database accepts writes"
        if is_refusal:
            advice = "the database would refuse the same again: change what it names"
        super().__init__(
            f"{task} was not enqueued: its row could not be written ({reason}); no message"
            f" was sent, {advice}"
        )
        self.task = task


class NotInAJob(JobmanError):
    """A function that needs a running job was called outside one."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} works only inside a running job")


class JobFailed(JobmanError):
    """The task said so itself, through ``self.fail(reason)``; it is not retried."""


class JobLost(JobmanError):
    """The worker that ran the job died, and no attempt is left."""


class JobPoisoned(JobLost):
    """The job's worker died in as many attempts as ``JOBMAN["POISON_LIMIT"]`` allows."""


class JobUnbegun(JobLost):
    """No worker began the job, however often its message was sent.

    Something takes the messages of its queue that knows nothing of jobs: a worker whose copy of
    the task is a plain one, and whose Django does not have ``celery_jobman`` among its apps.
    """


class ControlFlow(BaseException):
    """Base of what unwinds a task's body on purpose.

    These derive from ``BaseException`` so that a broad ``except Exception`` in a task does
    not swallow them.  The task class catches every one before Celery can see it.
    """

    __reduce__ = _reduce


class JobCancelled(ControlFlow):
    """A person asked the running job to stop."""


class JobInterrupted(ControlFlow):
    """The worker is stopping; the job goes on elsewhere from its last checkpoint."""


class ClaimLost(ControlFlow):
    """Another worker holds the job by now; this attempt may not write any more."""


class JobReleased(ControlFlow):
    """The task put itself back, to run again later."""

    def __init__(self, delay: float = 0.0) -> None:
        super().__init__(delay)
        self.delay = delay


class JobSkipped(ControlFlow):
    """The task found that there is nothing to do."""

    def __init__(self, code: str = "skipped") -> None:
        super().__init__(code)
        self.code = code


class JobGivenUp(ControlFlow):
    """The task failed for good by its own decision."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
