"""Assertions about what waits."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import pytest

from celery_jobman.testing import assert_enqueued, assert_not_enqueued, run_jobs
from tests.celery_app import app

pytestmark = pytest.mark.django_db


@app.task(name="enqueued.mail")
def mail(to: str, *, copy: bool = False) -> None:
    assert to
    assert copy in {True, False}


def test_a_job_that_waits_is_returned() -> None:
    result = mail.delay("ana")

    assert str(assert_enqueued(mail).pk) == result.id
    assert str(assert_enqueued("enqueued.mail", ["ana"], {}).pk) == result.id


def test_the_newest_is_returned() -> None:
    mail.delay("ana")
    newest = mail.delay("ben")

    assert str(assert_enqueued(mail, count=2).pk) == newest.id


def test_columns_are_compared() -> None:
    mail.apply_async(("ana",), queue="mails", priority=3)

    assert_enqueued(mail, queue="mails", priority=3)
    with pytest.raises(AssertionError, match=r"no job matches enqueued\.mail with queue='other'"):
        assert_enqueued(mail, queue="other")


def test_a_failure_lists_what_waits() -> None:
    mail.delay("ana", copy=True)

    with pytest.raises(AssertionError) as failed:
        assert_enqueued(mail, ["ben"])

    assert "no job matches enqueued.mail('ben')" in str(failed.value)
    assert 'what waits: enqueued.mail ["ana"] {"copy": true}' in str(failed.value)


def test_another_number_is_a_failure() -> None:
    mail.delay("ana")

    with pytest.raises(AssertionError, match=r"1 jobs match enqueued\.mail, not 2"):
        assert_enqueued(mail, count=2)


def test_a_job_that_has_run_waits_no_longer() -> None:
    mail.delay("ana")
    run_jobs()

    assert_not_enqueued(mail)
    with pytest.raises(AssertionError, match="no job waits"):
        assert_enqueued(mail)


def test_a_job_that_waits_is_noticed() -> None:
    mail.delay("ana")

    assert_not_enqueued(mail, ["ben"])
    with pytest.raises(AssertionError, match="1 jobs match"):
        assert_not_enqueued(mail)
