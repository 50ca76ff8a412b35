"""``JobTask``: the base class that makes a Celery task's calls jobs.

Importing this module needs no configured Django; a project's ``celery.py`` may do it before
``django.setup()``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet

from celery_jobman.runtime import declarations, entrances
from celery_jobman.runtime.engine import engine
from celery_jobman.runtime.replaceable import ReplaceableTask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from celery import Celery, Task
    from celery.result import AsyncResult

    from celery_jobman.core.iterations import Iteration
    from celery_jobman.runtime.running import Completed, RunningJob


def _map(self: Task, task: Any, it: Any) -> list[Any]:
    mapped = self.app.signature(task).type
    return [mapped(item) for item in it]


def _starmap(self: Task, task: Any, it: Any) -> list[Any]:
    mapped = self.app.signature(task).type
    return [mapped(*item) for item in it]


#: Options of ours that Celery does not know.
OURS = ("owner", "tags", "attribs", "after_commit")

#: Of a link: the id of the row that waits for its call; see :mod:`celery_jobman.core.behind`.
ROW = "jobman_row"

#: Carries them to the row of a job that runs in the calling process.
EAGER_HEADER = "jobman_options"


#: Name of the task that calls hooks; see :mod:`celery_jobman.core.hooks`.
HOOK = "jobman.failed"

#: Name of the task that returns what it is given: the results of a group that stands in for a
#: task with callbacks, which are its own then.
COLLECT = "jobman.collect"

#: Celery's own tasks that call another one, with one item after the other.
MAPS = MappingProxyType({"celery.map": _map, "celery.starmap": _starmap})

#: Apps that know it, and apps whose maps may be jobs.
_hooked: WeakSet[Celery] = WeakSet()
_mapped: WeakSet[Celery] = WeakSet()


def overrides_hook(task_class: type[JobTask]) -> bool:
    """Whether a task says what to do when a job of it has failed."""
    failed: Any = task_class.failed
    return failed is not JobTask.failed and callable(failed)


def _let_maps_be_jobs(sender: Celery) -> None:
    """Give an app's own maps our class, unless all its tasks have it anyway."""
    for name, loop in MAPS.items():
        if not isinstance(sender.tasks.get(name), JobTask):
            sender.tasks.pop(name, None)
            sender.task(name=name, base=JobTask, shared=False, bind=True)(loop)


def _collect(results: Any) -> Any:
    return results


def _declare_own(sender: Celery, **_: Any) -> None:
    _let_maps_be_jobs(sender)
    sender.task(name=COLLECT, base=JobTask, shared=False)(_collect)


def _call_hook(job_id: str, error_class: str, error_message: str) -> None:
    engine("hooking").call(job_id, error_class, error_message)


def called(task: Task, kwargs: Mapping[str, Any] | None) -> Task | None:
    """Return the task whose function a call runs: of a map or starmap, the mapped one."""
    if task.name not in MAPS:
        return task
    mapped = (kwargs or {}).get("task")
    if not isinstance(mapped, dict) or not (mapped.get("options") or {}).get("track", True):
        return None
    return task.app.tasks.get(mapped.get("task"))


def is_recorded(task: Task | None, kwargs: Mapping[str, Any] | None = None) -> bool:
    """Whether a call of a task makes a job: neither it nor Celery nor the project opts out."""
    own = called(task, kwargs) if isinstance(task, JobTask) else None
    if not isinstance(own, JobTask) or not own.track or own.name.startswith("celery."):
        return False
    return bool(engine("enqueueing").is_installed())


class JobTask(ReplaceableTask):
    """A Celery task whose every call is a job: a row in the project's database.

    Everything a Celery task does works as before.  Added are the options below, the methods
    for use inside the body, and that no accepted call is lost.

    Declare it for all tasks with ``Celery("proj", task_cls="celery_jobman:JobTask")``, or for
    one with ``@shared_task(base=JobTask)``.
    """

    Request = "celery_jobman.runtime.request:JobRequest"

    #: What Celery calls to execute a message; assigned by each pool.
    __trace__ = entrances.Traced()

    #: False: calls of this task are not recorded (also as an option of one call).
    track: ClassVar[bool] = True
    #: Names of the task's steps in order, shown before they run.
    steps: ClassVar[Sequence[str]] = ()
    #: What steps do outside that a second run would do a second time, in words:
    #: ``{"report": "sends the customer a mail"}``.  Who retries a job is told before.
    effects: ClassVar[Mapping[str, str]] = MappingProxyType({})
    #: Failed attempts (exception, time-out, lost worker) after which the job has failed.
    #: None: an exception is final at once, as in Celery, and a lost worker only when it
    #: happened ``JOBMAN["POISON_LIMIT"]`` times.
    max_attempts: ClassVar[int | None] = None
    #: Wait before the next attempt: seconds, a timedelta, a list of them (the last repeats),
    #: or a function of the number of failures, such as
    #: :func:`~celery_jobman.runtime.backoffs.exponential` makes.
    backoff: ClassVar[Any] = 0
    #: A time-out is final, even if attempts are left.
    fail_on_timeout: ClassVar[bool] = False
    #: Tags of the task's jobs.
    tags: ClassVar[Sequence[str]] = ()

    @classmethod
    def on_bound(cls, app: Celery) -> None:
        """Let the app's workers run jobman's bootstep; make Celery's retry limit agree."""
        super().on_bound(app)
        declarations.examine(cls, app, JobTask)
        app.steps["worker"].add("celery_jobman.runtime.bootsteps:Keeper")
        if app not in _mapped:
            _mapped.add(app)
            if app.finalized and all(name in app.tasks for name in MAPS):
                _declare_own(app)
            else:
                app.on_after_finalize.connect(_declare_own, weak=False)
        if isinstance(cls.max_attempts, int) and "max_retries" not in vars(cls):
            cls.max_retries = cls.max_attempts - 1
        if overrides_hook(cls) and app not in _hooked:
            _hooked.add(app)
            app.task(name=HOOK, base=JobTask, shared=False)(_call_hook)

    def start_strategy(self, app: Celery, consumer: Any, **options: Any) -> Any:
        """Let a worker take messages of this task, with a request that knows of jobs.

        Raises:
            ImproperlyConfigured: Its ``Request`` is no class of Celery's requests.
        """
        self.Request = engine("request").combined(self)
        return super().start_strategy(app, consumer, **options)

    def __init_subclass__(cls, **options: Any) -> None:
        """Make what a class overrides of Celery's hooks a part of each attempt."""
        super().__init_subclass__(**options)
        entrances.guard(cls)

    @entrances.marked
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run an attempt when a worker calls; run the plain function otherwise."""
        return entrances.call(self, lambda: self._call_function(*args, **kwargs))

    def _call_function(self, *args: Any, **kwargs: Any) -> Any:
        plainly = super().__call__
        if self.request.called_directly:
            return plainly(*args, **kwargs)
        return engine("seam").run(self, args, kwargs, plainly)

    def apply_async(  # noqa: PLR0913, PLR0917 - Celery's signature
        self,
        args: Any = None,
        kwargs: Any = None,
        task_id: str | None = None,
        producer: Any = None,
        link: Any = None,
        link_error: Any = None,
        shadow: str | None = None,
        **options: Any,
    ) -> AsyncResult:
        """Enqueue a job: write its row in the current transaction, send its message after.

        Takes everything that :meth:`celery.app.task.Task.apply_async` takes, and:

        Args:
            args: Positional arguments; JSON (with Celery's dates, decimals, UUIDs …).
            kwargs: Keyword arguments; likewise.
            task_id: Celery's id for the call; by default the new job's own.
            producer: Used to publish, if that happens in this call.
            link: As in Celery.
            link_error: As in Celery.
            shadow: As in Celery; also the job's label.
            **options: ``owner`` (a user or its key), ``tags``, ``attribs`` (a dict),
                ``after_commit=False`` (send at once), ``track=False`` (no job), and all of
                Celery's.

        Returns:
            The ``AsyncResult`` of the job.  When the broker is away the job waits in the
            database, and this still returns, within ``JOBMAN["PUBLISH_TIMEOUT"]``.

        Raises:
            TypeError: The arguments do not fit the task's signature.
            OptionRefused: An option cannot be kept, such as a naive ``eta``; the message names it.
            UnencodableValue: An argument is not JSON; the message names it.
            DatabaseUnwritable: The database refused the row.

        In each case nothing was written and nothing will be sent.

        Semantics: the transactional outbox; ``countdown`` and ``eta`` are held in the
        database, so that they survive restarts and can be cancelled, and begin up to
        ``JOBMAN["DISPATCH_EVERY"]`` late.
        """
        call = {"task_id": task_id, "producer": producer, "link": link, "link_error": link_error}
        tracked = options.pop("track", True) and is_recorded(self, kwargs)
        if not tracked or self._get_app().conf.task_always_eager:
            options.pop(ROW, None)
            ours = {name: options.pop(name) for name in OURS if name in options}
            if tracked:
                engine("option_names").check(options)
            if tracked and ours:
                options["headers"] = {**(options.get("headers") or {}), EAGER_HEADER: ours}
            return super().apply_async(args, kwargs, shadow=shadow, **call, **options)
        args, kwargs, options = self._prepare(args, kwargs, shadow, {**call, **options})
        return engine("enqueueing").enqueue(self, args, kwargs, options)

    def _prepare(
        self, args: Any, kwargs: Any, shadow: str | None, options: dict[str, Any]
    ) -> tuple[Any, Any, dict[str, Any]]:
        """Do what Celery does to a call before it is sent."""
        if self.soft_time_limit and self.time_limit and self.soft_time_limit > self.time_limit:
            msg = "soft_time_limit must be less than or equal to time_limit"
            raise ValueError(msg)
        self._check_arguments(args or (), kwargs or {})
        shadow = shadow or self.shadow_name(args, kwargs, options)
        dump = getattr(self, "_dump_pydantic_arguments", None)
        if dump is not None:
            args, kwargs = dump(args, kwargs)
        merged = {**self._get_exec_options(), "shadow": shadow, **options}
        merged.setdefault("ignore_result", self.ignore_result)
        return args, kwargs, merged

    def _check_arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Refuse arguments that do not fit the task, as Celery does before a call is sent.

        Raises:
            TypeError: They do not fit its signature.
        """
        check = getattr(self, "__header__", None)
        if self.typing and check is not None:
            check(*args, **kwargs)

    @property
    def job(self) -> RunningJob:
        """The job that runs.

        Raises:
            NotInAJob: The task was called as a plain function.
        """
        return engine("running").required_job("self.job")  # type: ignore[no-any-return]

    @property
    def attempts(self) -> int:
        """The number of the current attempt, counted from 1; 0 in a plain call."""
        job = engine("running").current_job()
        return job.attempt if job else 0

    def step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run ``fn`` once in the life of the job; outside a job, just call it.

        See :meth:`celery_jobman.core.steps.StepRunner.run`.
        """
        return engine("running").step(name, fn, *args, **kwargs)

    def atomic_step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run ``fn`` exactly once in the life of the job, as far as the project's database goes.

        See :func:`celery_jobman.runtime.running.atomic_step`.
        """
        return engine("running").atomic_step(name, fn, *args, **kwargs)

    def iterate(self, name: str, source: Any, **options: Any) -> Iteration:
        """Loop over ``source`` with a cursor that survives; needs a running job.

        See :class:`celery_jobman.core.iterations.Iteration`.
        """
        return self.job.iterate(name, source, **options)

    def progress(
        self, current: int, total: int | None = None, message: str = "", unit: str = ""
    ) -> None:
        """Say how far the job is; see :meth:`celery_jobman.runtime.running.RunningJob.progress`."""
        engine("running").progress(current, total, message, unit)

    def release(self, delay: float = 0.0) -> None:
        """End this attempt and run the job again in ``delay`` seconds; counts as no failure."""
        self.job.release(delay)

    def skip(self, code: str = "skipped") -> None:
        """End the job as succeeded, with this completed code."""
        self.job.skip(code)

    def fail(self, reason: str) -> None:
        """End the job as failed, for good: no further attempt."""
        self.job.fail(reason)

    def failed(self, exception: BaseException) -> None:
        """Do something when a job of this task has failed for good; to be overridden.

        It is called once for each such end, whatever ended the job: an exception without an
        attempt left, a time-out, a worker that died.  That is done by a job of its own, which
        is written with the end of the failed one, and so is not lost with a process.
        ``self.request`` tells the ``id``, ``args`` and ``kwargs`` of the failed job;
        ``self.job`` is the job that runs the hook: its steps, log lines and progress.

        Args:
            exception: Of the class that was raised, made of its message;
                :class:`~celery_jobman.exceptions.JobLost` after a time-out or a lost worker.
        """

    def complete(self, value: Any = None, code: str = "success") -> Completed:
        """Return this from the task: its result, and a business outcome beside it."""
        return engine("running").complete(self.request, value, code)  # type: ignore[no-any-return]
