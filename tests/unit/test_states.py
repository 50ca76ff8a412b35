from __future__ import annotations

import re
from pathlib import Path

import pytest

from celery_jobman import states
from celery_jobman.states import CLAIMABLE, FINAL, TRANSITIONS, WAITING, State, sources_of


def test_every_state_has_its_transitions() -> None:
    assert set(TRANSITIONS) == set(State)


def test_every_state_is_waiting_running_or_final_and_only_one_of_them() -> None:
    assert sorted([*WAITING, State.RUNNING, *FINAL]) == sorted(State)


def test_no_state_leads_to_itself() -> None:
    assert [state for state in State if state in TRANSITIONS[state]] == []


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_final_state_leads_only_to_waiting_again(state: State) -> None:
    assert TRANSITIONS[state] == {State.SCHEDULED, State.BLOCKED}


@pytest.mark.parametrize("state", sorted(WAITING))
def test_every_waiting_job_can_be_cancelled(state: State) -> None:
    assert State.CANCELLED in TRANSITIONS[state]


def test_only_claimable_states_lead_to_running() -> None:
    assert sources_of(State.RUNNING) == CLAIMABLE


def test_only_a_running_job_can_succeed() -> None:
    assert sources_of(State.SUCCEEDED) == {State.RUNNING}


def test_a_job_fails_while_it_runs_or_where_its_turn_comes_and_it_cannot_be_enqueued() -> None:
    assert sources_of(State.FAILED) == {State.RUNNING, State.BLOCKED}


@pytest.mark.parametrize("target", State)
def test_the_sources_of_a_state_are_those_that_lead_to_it(target: State) -> None:
    assert sources_of(target) == {state for state in State if target in TRANSITIONS[state]}


def test_every_state_can_be_reached_from_scheduled_or_blocked() -> None:
    reached = {State.SCHEDULED, State.BLOCKED}

    for _ in State:
        reached |= {target for source in reached for target in TRANSITIONS[source]}

    assert reached == set(State)


def test_the_machine_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[State.FAILED] = frozenset(State)  # type: ignore[index]


def test_every_edge_has_one_comment_that_says_when_it_is_taken() -> None:
    source = Path(states.__file__).read_text(encoding="utf-8")

    commented = re.findall(r"# (\w+) -> (\w+) +\S", source)

    edges = [(str(here), str(there)) for here in State for there in TRANSITIONS[here]]
    assert sorted(commented) == sorted(edges)
