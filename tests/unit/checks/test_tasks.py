from __future__ import annotations

from typing import TYPE_CHECKING, Any

import celery
import django
import pytest
from celery import Celery, Task, _state
from celery.worker.request import Request

from celery_jobman.checks import tasks as checks
from celery_jobman.exceptions import TaskRefused
from celery_jobman.runtime import declarations, registry, task_inventory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import Settings as Project


@pytest.fixture
def project() -> Iterator[Celery]:
    """A project's app whose tasks are jobs, current for one test."""
    with _current("project", task_cls="celery_jobman:JobTask") as app:
        yield app


@pytest.fixture
def plain_project() -> Iterator[Celery]:
    """A project's app whose tasks are plain."""
    with _current("plain") as app:
        yield app


class _current:  # noqa: N801 - a context
    def __init__(self, name: str, **options: Any) -> None:
        self.app = Celery(name, set_as_current=False, broker="memory://", **options)
        self.app._tasks.clear()
        self.app.finalized = True  # no task of another module

    def __enter__(self) -> Celery:
        self.before = _state._tls.current_app
        self.app.set_current()
        return self.app

    def __exit__(self, *_: object) -> None:
        _state._tls.current_app = self.before
        self.app.close()


def task(app: Celery, name: str = "shop.add", **options: Any) -> Any:
    return app.task(name=name, shared=False, **options)(nothing)


def nothing() -> None:
    """Do nothing."""


def found() -> list[tuple[str | None, str]]:
    return [(each.id, f"{each.msg} | {each.hint}") for each in checks.tasks_are_sound()]


def test_a_job_as_any_other_is_fine(project: Celery) -> None:
    task(project, max_attempts=3, backoff=10)

    assert found() == []


def test_a_project_without_an_app_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "import_tasks", lambda: pytest.fail("it was asked"))
    with _current("default"):
        assert found() == []


def test_tasks_that_cannot_be_imported_are_the_doctors_business(
    project: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    task(project, max_retries=8, max_attempts=2)
    monkeypatch.setattr(registry, "import_tasks", lambda: ImportError("gone"))

    assert found() == []


def test_every_task_that_is_refused_is_an_error(project: Celery) -> None:
    for name in ("shop.add", "shop.buy"):
        with pytest.raises(TaskRefused):
            task(project, name, tags="abc")
    try:
        errors = found()
    finally:
        declarations._refused.clear()

    assert [number for number, _ in errors] == ["jobman.E002"] * 2
    assert errors[0][1].startswith("task shop.add: its option tags is 'abc'; give a list of texts")


@pytest.mark.usefixtures("project")
def test_the_checks_that_an_import_runs_do_not_import_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[list[Any]] = []

    def run_checks() -> None:
        asked.append(checks.tasks_are_sound())

    monkeypatch.setattr(registry, "import_tasks", run_checks)

    assert found() == []
    assert asked == [[]]


@pytest.mark.filterwarnings("ignore::celery_jobman.exceptions.TaskWarning")
def test_an_attribute_that_looks_like_an_option(project: Celery) -> None:
    task(project, max_attemps=3)

    ((number, text),) = found()

    assert number == "jobman.W004"
    assert "task shop.add has an attribute 'max_attemps'" in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"autoretry_for": (OSError,)},
            "after every exception, and not only after those of autoretry_for (OSError)",
        ),
        ({"max_retries": 8}, "go on beyond max_attempts=4, up to max_retries=8"),
        ({"max_retries": None}, "go on beyond max_attempts=4, up to max_retries=None"),
        ({"retry_kwargs": {"max_retries": 8}}, "go on beyond max_attempts=4, up to max_retries=8"),
        ({"max_retries": 1}, "max_retries=1 ends nothing: max_attempts=4 counts"),
    ],
)
def test_what_counts_is_said_where_celerys_retries_and_ours_differ(
    project: Celery, options: dict[str, Any], said: str
) -> None:
    task(project, max_attempts=4, **options)

    ((number, text),) = found()

    assert number == "jobman.W005"
    assert said in text


@pytest.mark.parametrize(
    "options",
    [
        {"max_attempts": 4},
        {"max_attempts": 4, "max_retries": 3},
        {"max_attempts": 4, "autoretry_for": (Exception,)},
        {"autoretry_for": (OSError,), "max_retries": 8},
    ],
)
def test_retries_that_agree_are_fine(project: Celery, options: dict[str, Any]) -> None:
    task(project, **options)

    assert found() == []


def test_plain_tasks_of_an_app_whose_tasks_are_jobs(project: Celery) -> None:
    for place in range(7):
        task(project, f"shop.plain{place}", base=Task)
    task(project)

    ((number, text),) = found()

    assert number == "jobman.W006"
    assert "shop.plain0, shop.plain1, shop.plain2, shop.plain3, shop.plain4, and 2 more" in text
    assert "shop.add" not in text


def test_plain_tasks_that_say_so_or_are_recorded_are_fine(
    project: Celery, settings: Project
) -> None:
    settings.JOBMAN = {"TRACK": ["shop.rec*"]}
    task(project, "shop.recorded", base=Task)
    task(project, "shop.untracked", base=Task, track=False)
    task(project, "shop.job", track=False)

    assert found() == []


def test_plain_tasks_of_a_plain_app_are_the_projects_choice(plain_project: Celery) -> None:
    task(plain_project)

    assert found() == []


def test_a_request_that_is_no_request_of_celerys(project: Celery) -> None:
    class Own:
        """Something else."""

    task(project, "shop.other")
    job = task(project)
    type(job).Request = Own

    ((number, text),) = found()

    assert number == "jobman.E003"
    assert "no subclass of Celery's: shop.add |" in text


def test_a_request_of_the_projects_is_combined_with_ours(project: Celery) -> None:
    class Own(Request):  # type: ignore[misc]
        """A request of the project's."""

    type(task(project)).Request = Own

    assert found() == []


def test_a_task_that_is_a_job_in_one_app_and_plain_in_another(project: Celery) -> None:
    task(project)
    other = Celery("worker", set_as_current=False)
    other.finalized = True
    task(other)
    try:
        ((number, text),) = found()
    finally:
        other.close()

    assert number == "jobman.W008"
    assert "task shop.add is a job in the app 'project', and plain in the app 'worker'" in text


def test_a_pattern_that_matches_no_task(project: Celery, settings: Project) -> None:
    settings.JOBMAN = {"TRACK": ["shpo.*", "shop.*"]}
    task(project, "shop.plain", base=Task)

    ((number, text),) = found()

    assert number == "jobman.W012"
    assert "the pattern 'shpo.*'" in text


def test_the_releases_of_this_environment_are_tested() -> None:
    assert checks.versions_are_tested() == []


@pytest.mark.parametrize(
    ("module", "version", "said"),
    [
        (celery, "5.4.0", "Celery 5.4.0 runs here; celery-jobman is tested with 5.5 to 5.7"),
        (celery, "5.8.0rc1", "Celery 5.8.0rc1 runs here"),
        (django, "4.2.16", "Django 4.2.16 runs here; celery-jobman is tested with 5.2 to 6.1"),
    ],
)
def test_a_release_that_is_not_tested_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, module: Any, version: str, said: str
) -> None:
    name = "__version__" if module is celery else "get_version"
    monkeypatch.setattr(module, name, version if module is celery else lambda: version)

    (warning,) = checks.versions_are_tested()

    assert warning.id == "jobman.W010"
    assert warning.msg.startswith(said)


def test_an_inventory_leaves_the_environment_as_it_was(
    project: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    task(project)
    monkeypatch.setenv("CELERY_SKIP_CHECKS", "yes")
    assert len(task_inventory.tasks()) == 1
    monkeypatch.delenv("CELERY_SKIP_CHECKS")
    assert len(task_inventory.tasks()) == 1

    with pytest.raises(KeyError):
        monkeypatch.delenv("CELERY_SKIP_CHECKS")
