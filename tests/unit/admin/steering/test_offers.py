from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.urls import reverse

from celery_jobman.admin.access import Deed
from celery_jobman.admin.jobs import JobAdmin
from celery_jobman.admin.page.regions import Subject
from celery_jobman.admin.steering.offers import Offer, offers
from celery_jobman.admin.steering.regions import BUTTONS
from celery_jobman.models import Job
from celery_jobman.states import State
from tests.factories import NOON, checkpoint, finished_job, queued_job, running_job

if TYPE_CHECKING:
    from django.contrib.auth.models import User

pytestmark = pytest.mark.django_db


def _subject(user: Any, job: Job) -> Subject:
    request = RequestFactory().get("/")
    request.user = user
    return Subject(JobAdmin(Job, admin.site), request, job, NOON)


def _offers(user: User, job: Job) -> dict[Deed, Offer]:
    subject = _subject(user, job)
    return {offer.deed: offer for offer in offers(subject.admin, subject.request, job)}


def _drawn(user: User, job: Job) -> str:
    subject = _subject(user, job)
    context = {**BUTTONS[0].context(subject)}
    return render_to_string("admin/jobman/job/_buttons.html", context, subject.request)


def test_a_job_that_was_asked_to_stop_can_be_forced(admin_user: User) -> None:
    offer = _offers(admin_user, running_job(cancel_requested_at=NOON))[Deed.CANCEL]

    assert (offer.label, offer.enabled) == ("Force…", True)


def test_a_job_that_is_being_forced_says_so(admin_user: User) -> None:
    job = running_job(cancel_requested_at=NOON, cancel_forced=True)

    assert _offers(admin_user, job)[Deed.CANCEL].why == "It is being stopped by force already."


def test_an_eager_job_cannot_be_forced(admin_user: User) -> None:
    job = running_job(cancel_requested_at=NOON, eager=True)

    assert not _offers(admin_user, job)[Deed.CANCEL].enabled


@pytest.mark.parametrize(
    ("fields", "rows", "enabled"),
    [({}, 0, False), ({"declared_steps": ["fetch"]}, 0, True), ({}, 1, True)],
)
def test_a_retry_from_a_step_needs_a_step(
    admin_user: User,
    fields: dict[str, Any],
    rows: int,
    enabled: bool,  # noqa: FBT001
) -> None:
    job = finished_job(State.FAILED, **fields)
    for number in range(rows):
        checkpoint(job, f"step {number}")

    assert _offers(admin_user, job)[Deed.RETRY_FROM].enabled is enabled


def test_steps_that_were_set_aside_do_not_count(admin_user: User) -> None:
    job = finished_job(State.FAILED)
    checkpoint(job, "fetch", superseded=1)

    assert not _offers(admin_user, job)[Deed.RETRY_FROM].enabled


def test_a_failed_job_is_retried_by_one_click(admin_user: User) -> None:
    drawn = _drawn(admin_user, finished_job(State.FAILED))

    assert '<form class="jm-verb" method="post"' in drawn
    assert "csrfmiddlewaretoken" in drawn
    assert "<form" not in _drawn(admin_user, finished_job(State.SUCCEEDED))


def test_a_disabled_button_says_why_in_words(admin_user: User) -> None:
    drawn = _drawn(admin_user, queued_job())

    assert 'aria-disabled="true"' in drawn
    assert "Retry is possible once the job has ended." in drawn


def test_a_reason_is_said_once_for_all_its_buttons(admin_user: User) -> None:
    drawn = _drawn(admin_user, queued_job())

    why = "Retry, Retry from step, Edit and retry: Retry is possible once the job has ended."
    assert drawn.count("Retry is possible once the job has ended.") == 1
    assert f'id="jm-why-retry">{why}</p>' in drawn
    assert drawn.count('aria-describedby="jm-why-retry"') == 3


def test_a_failed_job_can_also_be_retried_on_other_terms(admin_user: User) -> None:
    job = finished_job(State.FAILED)
    page = reverse("admin:jobman_job_retry", args=[job.pk])

    assert f'href="{page}">Retry later or elsewhere…</a>' in _drawn(admin_user, job)


def test_whoever_may_do_nothing_sees_no_buttons(user_with: Any) -> None:
    subject = _subject(user_with("view_job"), queued_job())

    assert BUTTONS[0].context(subject) == {}
