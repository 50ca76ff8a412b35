from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from celery_jobman.core.retries import Plan, plan, rewind
from celery_jobman.exceptions import JobNotFound, TransitionRefused, UnknownStep
from celery_jobman.models import Job, JobAction, Step, StepState
from celery_jobman.states import State
from tests.factories import LATER, checkpoint, finished_job, runner_of, running_job

if TYPE_CHECKING:
    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db


def job_with(*names: str, declared: tuple[str, ...] = (), **fields: Any) -> Job:
    """Return a failed job whose steps of these names are done, in this order."""
    job = finished_job(declared_steps=list(declared), **fields)
    for name in names:
        checkpoint(job, name, name.upper())
    return job


def live(job: Job) -> list[str]:
    rows = job.steps.filter(superseded=0).order_by("position")
    return list(rows.values_list("name", flat=True))


def test_a_plan_says_what_is_reused_and_what_runs() -> None:
    job = job_with("fetch", "validate", declared=("fetch", "validate", "load", "report"))

    assert plan(job.id) == Plan(reused=("fetch", "validate"), again=("load", "report"))


@pytest.mark.parametrize(
    ("step", "reused", "again"),
    [
        ("fetch", (), ("fetch", "validate", "load")),
        ("validate", ("fetch",), ("validate", "load")),
        ("load", ("fetch", "validate"), ("load",)),
    ],
)
def test_from_a_step_it_and_all_later_ones_run_again(
    step: str, reused: tuple[str, ...], again: tuple[str, ...]
) -> None:
    job = job_with("fetch", "validate", "load")

    assert plan(job.id, step) == Plan(reused=reused, again=again)


def test_a_plan_changes_nothing() -> None:
    job = job_with("fetch", "load")

    plan(job.id, "fetch")

    job.refresh_from_db()
    assert (job.state, live(job)) == (State.FAILED, ["fetch", "load"])


def test_a_failed_step_runs_again_in_any_case() -> None:
    job = job_with("fetch")
    checkpoint(job, "load", state=StepState.FAILED)

    assert plan(job.id) == Plan(reused=("fetch",), again=("load",))


def test_a_declared_step_that_never_ran_can_be_chosen() -> None:
    job = job_with("fetch", "validate", declared=("fetch", "validate", "load"))

    assert plan(job.id, "load") == Plan(reused=("fetch", "validate"), again=("load",))


def test_from_a_declared_step_that_never_ran_later_ones_run_again() -> None:
    job = job_with("fetch", "extra", "report", declared=("fetch", "load", "report"))

    chosen = plan(job.id, "load")

    assert "report" in chosen.again
    assert "fetch" in chosen.reused


def test_a_step_inside_another_takes_the_outer_one_with_it() -> None:
    job = job_with("fetch", "load/images", "load/texts", "load", "report")

    chosen = plan(job.id, "load/texts")

    assert chosen == Plan(reused=("fetch", "load/images"), again=("load/texts", "load", "report"))


def run_over(job: Job, number: int, *, breaks_at: int = 99, rows: int = 10) -> None:
    """Play an attempt: a loop with a step for each row, and two steps after it."""
    runner = runner_of(job, number)
    for item in runner.iterate("load", range(rows), every=1):
        if item == breaks_at:
            break
        runner.run(f"save:{item}", lambda: 1)
    else:
        for name in ("report", "notify"):
            runner.run(name, lambda: 1)
    ended = {"state": State.FAILED, "finished_at": LATER, "attempt": number}
    Job.objects.filter(pk=job.id).update(**ended)


def test_after_a_resume_everything_that_began_after_the_step_runs_again() -> None:
    job = running_job()
    run_over(job, 1, breaks_at=5)
    run_over(job, 2)

    chosen = plan(job.id, "load/save:6")

    again = {"load", "report", "notify", *(f"load/save:{n}" for n in range(6, 10))}
    assert set(chosen.again) == again
    assert chosen.reused == tuple(f"load/save:{n}" for n in range(6))


def test_what_a_plan_says_is_what_the_next_attempt_does() -> None:
    job = running_job()
    run_over(job, 1, breaks_at=5)
    run_over(job, 2)
    chosen = rewind(job.id, "load/save:6", now=LATER)

    run_over(job, 3)

    ran = set(job.steps.filter(superseded=0, attempt=3).values_list("name", flat=True))
    assert ran == set(chosen.again)


def test_what_is_inside_of_a_step_that_stays_stays_with_it() -> None:
    job = job_with("load", "report")
    checkpoint(job, "load/again", position=1)

    chosen = plan(job.id, "report")

    assert chosen == Plan(reused=("load", "load/again"), again=("report",))


def test_what_failed_inside_of_a_step_that_stays_does_not_run() -> None:
    job = job_with("load", "load/a", "report")
    checkpoint(job, "load/b", state=StepState.FAILED)

    assert plan(job.id) == Plan(reused=("load", "load/a", "report"), again=())


def test_what_is_inside_of_a_step_goes_with_it_wherever_it_is_placed() -> None:
    job = job_with("fetch", "load/a", "load", "report")

    rewind(job.id, "load", now=LATER)

    assert live(job) == ["fetch"]


def test_what_is_inside_of_a_loop_that_did_not_end_is_chosen_by_its_own_place() -> None:
    job = finished_job()
    checkpoint(job, "load", state=StepState.RUNNING, done=2)
    for name in ("load/a", "report", "load/b"):
        checkpoint(job, name)

    assert plan(job.id, "report").reused == ("load/a",)


def test_from_a_declared_step_that_never_ran_what_is_inside_of_later_ones_runs_again() -> None:
    job = job_with("fetch", "report", "report/mail", "extra", declared=("fetch", "load", "report"))

    chosen = plan(job.id, "load")

    assert chosen == Plan(reused=("fetch",), again=("load", "report", "report/mail", "extra"))


def test_from_a_step_that_was_added_later_what_came_after_it_runs_again() -> None:
    job = job_with("fetch", "load")
    runner = runner_of(job, 2)
    for name in ("fetch", "validate", "load"):
        runner.run(name, lambda: 1)
    Job.objects.update(state=State.FAILED, finished_at=LATER)

    assert plan(job.id, "validate").reused == ("fetch",)


def test_a_name_that_only_begins_alike_is_another_step() -> None:
    job = job_with("load", "loading/a")

    assert plan(job.id, "loading/a") == Plan(reused=("load",), again=("loading/a",))


def test_steps_inside_a_declared_one_come_before_what_is_declared_after_it() -> None:
    job = running_job(declared_steps=["fetch", "load"])
    runner = runner_of(job)
    runner.run("fetch", lambda: [runner.run(name, lambda: 1) for name in "abc"])
    runner.run("load", lambda: 2)
    Job.objects.update(state=State.FAILED, finished_at=LATER)

    chosen = plan(job.id, "fetch/b")

    assert set(chosen.again) >= {"fetch", "fetch/b", "fetch/c", "load"}
    assert chosen.reused == ("fetch/a",)


def test_a_step_that_is_not_there_is_named_with_those_that_are() -> None:
    job = job_with("fetch", "extra", declared=("fetch", "load"))

    with pytest.raises(UnknownStep, match="no step 'lod'; its steps are: fetch, load, extra"):
        plan(job.id, "lod")


def test_no_plan_for_a_job_that_is_gone() -> None:
    with pytest.raises(JobNotFound):
        plan(uuid4())


def test_a_rewind_sets_checkpoints_aside_and_keeps_them_as_history() -> None:
    job = job_with("fetch", "validate", "load")

    chosen = rewind(job.id, "validate", now=LATER)

    job.refresh_from_db()
    assert chosen == Plan(reused=("fetch",), again=("validate", "load"))
    assert (job.state, live(job)) == (State.SCHEDULED, ["fetch"])
    aside = job.steps.exclude(superseded=0)
    assert {row.name: row.checkpoint for row in aside} == {"validate": "VALIDATE", "load": "LOAD"}


def test_the_next_attempt_runs_what_was_set_aside() -> None:
    job = job_with("fetch", "load")
    rewind(job.id, "load", now=LATER)
    runner = runner_of(job, 2)

    results = [runner.run(name, lambda: "new") for name in ("fetch", "load")]

    assert results == ["FETCH", "new"]


def test_a_job_can_be_rewound_again_and_again() -> None:
    job = job_with("fetch")
    for number in (2, 3, 4):
        rewind(job.id, "fetch", now=LATER)
        runner_of(job, number).run("fetch", lambda: "new")
        Job.objects.update(state=State.FAILED, finished_at=LATER, attempt=number)

    assert job.steps.filter(name="fetch").count() == 4


def test_a_job_can_be_rewound_twice_without_an_attempt_in_between() -> None:
    job = job_with("fetch", "load", attempt=0)

    for step in ("load", "fetch"):
        rewind(job.id, step, now=LATER)
        Job.objects.update(state=State.CANCELLED, finished_at=LATER)

    assert live(job) == []
    assert Step.objects.count() == 2


def test_a_success_can_be_rewound_without_further_ado() -> None:
    job = job_with("fetch")
    Job.objects.update(state=State.SUCCEEDED)

    rewind(job.id, "fetch", now=LATER)

    job.refresh_from_db()
    assert job.state == State.SCHEDULED


def test_a_rewind_to_no_step_leaves_everything_as_it_was() -> None:
    job = job_with("fetch")

    with pytest.raises(UnknownStep):
        rewind(job.id, "lod", now=LATER)

    job.refresh_from_db()
    assert (job.state, live(job)) == (State.FAILED, ["fetch"])
    assert not JobAction.objects.exists()


def test_a_running_job_is_not_rewound() -> None:
    job = running_job()
    checkpoint(job, "fetch")

    with pytest.raises(TransitionRefused, match="is running and cannot be retried"):
        rewind(job.id, "fetch", now=LATER)
    assert live(job) == ["fetch"]


def test_a_page_that_is_out_of_date_rewinds_nothing() -> None:
    job = job_with("fetch", attempt=2)

    with pytest.raises(TransitionRefused, match="attempt 2 has begun since"):
        rewind(job.id, "fetch", now=LATER, attempt=1)


def test_who_rewound_it_and_to_where_is_audited() -> None:
    job = job_with("fetch", "load")

    rewind(job.id, "load", now=LATER, actor="ana", reason="bad rows")

    action = JobAction.objects.get(job_id=job.id)
    assert (action.verb, action.actor, action.reason) == ("retry from", "ana", "bad rows")
    assert action.changes == {"step": "load", "reused": ["fetch"], "again": ["load"]}


def test_a_rewind_is_nine_statements(budget: Budget) -> None:
    job = job_with("fetch", "load")

    with budget(9):
        rewind(job.id, "load", now=LATER, actor="ana")
