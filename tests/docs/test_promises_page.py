"""The page about the promises: its numbers are the matrix's, its proofs exist, its limits stay."""

from __future__ import annotations

import re

import pytest

from tests.acceptance.faults import proofs
from tests.acceptance.faults.table import FAULTS
from tests.docs.pages import exists, named_tests, section

PAGE = proofs.PAGE
TEXT = PAGE.read_text(encoding="utf-8")
PROMISES = re.findall(r"^## (\d\. .+)$", TEXT, re.MULTILINE)


def test_what_stands_between_the_marks_is_counted_from_the_matrix() -> None:
    assert proofs.text(TEXT) == TEXT, "write it anew: python -m tests.acceptance.faults.page"


def test_every_mark_has_an_end() -> None:
    marks = re.findall(r"^<!-- (generated|end)\b", TEXT, re.MULTILINE)

    assert marks == ["generated", "end"] * (len(marks) // 2)
    assert len(marks) // 2 == len(proofs.blocks())


def test_the_promises_are_six() -> None:
    assert [promise[0] for promise in PROMISES] == list("123456")
    assert PROMISES[:5] == list(proofs.PROMISES)


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_has_limits_and_proofs_that_exist(promise: str) -> None:
    text = section(PAGE, f"## {promise}")

    assert re.search(r"^Limits?:", text, re.MULTILINE)
    assert named_tests(text)
    assert [name for name in named_tests(text) if not exists(name)] == []


@pytest.mark.parametrize("promise", list(proofs.PROMISES))
def test_a_promise_is_tried_on_every_broker_and_on_both_servers(promise: str) -> None:
    grounds = [trial.ground for trial in proofs.of(promise)]

    assert {ground.broker for ground in grounds} >= {"redis", "rabbitmq"}
    assert {ground.database for ground in grounds} >= {"postgresql", "mariadb"}


def test_faults_that_are_named_are_in_the_matrix() -> None:
    assert {fault.name for fault in FAULTS} >= proofs.DOUBLES | proofs.OUTAGES


def test_an_attempt_that_fails_for_the_database_is_said_to() -> None:
    costly = {trial.fault.name for trial in proofs.TRIALS if trial.costs_an_attempt}

    assert costly <= proofs.OUTAGES
