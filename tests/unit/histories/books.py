"""The books: all rows that the package has written, read by hand, and what must hold of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.db import connection
from hypothesis.stateful import RuleBasedStateMachine, invariant

from celery_jobman.models import Attempt, Job, JobAction, Step
from celery_jobman.states import State
from tests.unit.histories.model import COLUMNS, MARKS

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from tests.unit.histories.model import Expected


class Books(RuleBasedStateMachine):
    """What is known of the jobs, and the checks that it is so."""

    def __init__(self) -> None:
        super().__init__()
        self.now: datetime
        self.jobs: dict[UUID, Expected] = {}
        self.actions: list[tuple[Any, ...]] = []
        #: Effects of atomic steps in the project's database.
        self.effects = read(EFFECTS)[0][0]

    @invariant()
    def the_books_balance(self) -> None:
        self.the_database_is_as_the_model_says()
        self.attempts_are_numbered_without_a_gap()
        self.checkpoints_stay_until_they_are_set_aside()
        self.effects_of_atomic_steps_happen_once()
        self.the_audit_only_grows()

    def the_database_is_as_the_model_says(self) -> None:
        self.note_ends()
        found = {
            key(job_id): tuple(
                bool(value) if name in MARKS else value
                for name, value in zip(COLUMNS, row, strict=True)
            )
            for job_id, *row in read(JOBS)
        }
        assert found == {key(job.id): job.row for job in self.jobs.values()}

    def note_ends(self) -> None:
        """Remember of the jobs that have just ended that it was now."""
        for job in self.jobs.values():
            job.note_end(self.now)

    def attempts_are_numbered_without_a_gap(self) -> None:
        found: dict[str, list[str]] = {key(job_id): [] for job_id in self.jobs}
        for job_id, number, outcome in read(ATTEMPTS):
            found[key(job_id)].append(outcome)
            assert number == len(found[key(job_id)]), "a gap or a double"
        assert found == {key(job.id): job.outcomes for job in self.jobs.values()}
        for job in self.jobs.values():
            assert len(job.outcomes) == job.attempt - (job.state == State.RUNNING)

    def checkpoints_stay_until_they_are_set_aside(self) -> None:
        found: dict[str, dict[str, Any]] = {key(job_id): {} for job_id in self.jobs}
        aside = dict.fromkeys(found, 0)
        for job_id, name, superseded, *row in read(STEPS):
            if superseded:
                aside[key(job_id)] += 1
            else:
                found[key(job_id)][name] = stored(*row)
        assert found == {
            key(job.id): {name: (s.position, s.state, s.value) for name, s in job.steps.items()}
            for job in self.jobs.values()
        }
        assert aside == {key(job.id): job.set_aside for job in self.jobs.values()}

    def effects_of_atomic_steps_happen_once(self) -> None:
        assert read(EFFECTS) == [(self.effects,)]

    def the_audit_only_grows(self) -> None:
        found = read(ACTIONS)
        assert found[: len(self.actions)] == self.actions
        self.actions = found


# Read by hand: the ORM takes longer to build these, after each event, than the event.
JOBS = f"SELECT id, {', '.join(COLUMNS)} FROM jobman_job"  # noqa: S608 - names of columns
ATTEMPTS = "SELECT job_id, number, outcome FROM jobman_attempt ORDER BY job_id, number"
STEPS = "SELECT job_id, name, superseded, position, state, result, skipped, done FROM jobman_step"
EFFECTS = "SELECT COUNT(*) FROM auth_group"
ACTIONS = "SELECT * FROM jobman_jobaction ORDER BY id"


def read(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()]


def key(job_id: object) -> str:
    """Return an id as all databases can be made to give it."""
    return str(job_id).replace("-", "")


def stored(
    position: int, state: str, result: str | None, skipped: str, done: int | None
) -> tuple[int, str, Any]:
    """Return what the model knows of a step's row."""
    if done is None:
        return position, state, None if result is None else json.loads(result)
    return position, state, ([entry["item"] for entry in json.loads(skipped)], done)


def snapshot() -> list[Any]:
    """Return all that the package has written."""
    tables = (Job, Attempt, Step, JobAction)
    return [sorted(read(f"SELECT * FROM {table._meta.db_table}"), key=repr) for table in tables]  # noqa: S608 - names come from the model
