"""The newsletter, run in this process on the database under test."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.core import mail

from celery_jobman import find_batch
from celery_jobman.models import Batch, Job
from celery_jobman.runtime.eager import attempt
from celery_jobman.states import State
from celery_jobman.testing import run_jobs
from example_project.shop.models import Customer, Delivery, Newsletter
from example_project.shop.workflows import newsletter

if TYPE_CHECKING:
    from django.test import Client

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("shop"),
    pytest.mark.urls("example_project.urls"),
]

#: Of so many readers one may fail: 5 %.
READERS = 20
TEXT = "We are everywhere"


@pytest.fixture
def readers() -> list[Customer]:
    return Customer.objects.bulk_create(
        Customer(email=f"reader{number:02}@example.org", name=f"Reader {number}")
        for number in range(READERS)
    )


@pytest.fixture
def issue() -> Newsletter:
    return Newsletter.objects.create(subject=TEXT, text="Come and see.")


def send(issue: Newsletter) -> Batch:
    live = newsletter.send(issue)
    run_jobs(limit=200)
    issue.refresh_from_db()
    return find_batch(live.id).row


def mails(text: str) -> list[mail.EmailMessage]:
    return [sent for sent in mail.outbox if text in sent.subject]


@pytest.mark.usefixtures("readers")
def test_everybody_has_it_once(issue: Newsletter) -> None:
    batch = send(issue)

    letters = [sent for sent in mail.outbox if sent.subject == TEXT]
    assert len({tuple(sent.to) for sent in letters}) == len(letters) == READERS
    assert (batch.state, batch.total) == (State.SUCCEEDED, READERS)
    assert (issue.progress, issue.outcomes) == (100, {"success": READERS})
    assert issue.batch_id == batch.pk
    assert len(mails(f"{READERS} have the newsletter")) == 1


@pytest.mark.usefixtures("readers")
def test_who_has_it_is_not_written_to_when_it_is_sent_again(issue: Newsletter) -> None:
    send(issue)
    Customer.objects.create(email="late@example.org", name="Late")

    send(issue)

    assert issue.outcomes == {"success": 1, "sent before": READERS}
    assert Delivery.objects.count() == READERS + 1


def test_who_unsubscribes_meanwhile_is_passed_over(
    issue: Newsletter, readers: list[Customer]
) -> None:
    newsletter.send(issue)
    leaving = Customer.objects.filter(pk=readers[3].pk)
    leaving.update(subscription=Customer.Subscription.UNSUBSCRIBED)

    run_jobs(limit=200)

    issue.refresh_from_db()
    assert issue.outcomes == {"success": READERS - 1, "unsubscribed": 1}
    assert not any(readers[3].email in sent.to for sent in mail.outbox)


def test_an_address_where_nobody_is_is_marked_and_within_what_is_allowed(
    issue: Newsletter, readers: list[Customer], replies: dict[str, int]
) -> None:
    replies[readers[3].email] = 550

    batch = send(issue)

    readers[3].refresh_from_db()
    assert readers[3].subscription == Customer.Subscription.BOUNCED
    assert (batch.state, batch.failed) == (State.SUCCEEDED, 1)
    assert issue.outcomes == {"success": READERS - 1, "failed": 1}
    (warning,) = mails("a delivery failed")
    assert "reader03@example.org: 550 no" in warning.body


def test_when_more_fail_than_are_allowed_the_rest_is_cancelled(
    issue: Newsletter, readers: list[Customer], replies: dict[str, int]
) -> None:
    replies.update({reader.email: 554 for reader in readers})

    batch = send(issue)

    assert (batch.state, batch.failed, batch.cancelled) == (State.FAILED, 2, READERS - 2)
    assert issue.outcomes == {"failed": 2, "cancelled": READERS - 2}
    assert len(mails("a delivery failed")) == 1
    assert mails("have the newsletter") == []


def test_a_refusal_for_now_is_tried_again(
    issue: Newsletter, readers: list[Customer], replies: dict[str, int]
) -> None:
    replies[readers[0].email] = 451
    newsletter.send(issue)
    (job, *_) = Job.objects.order_by("pk")
    attempt(job.pk)

    replies.clear()
    run_jobs(limit=200)

    job.refresh_from_db()
    issue.refresh_from_db()
    assert (job.state, job.attempt) == (State.SUCCEEDED, 2)
    assert issue.outcomes == {"success": READERS}


def test_a_newsletter_without_readers_is_sent(issue: Newsletter) -> None:
    batch = send(issue)

    assert (batch.state, batch.total) == (State.SUCCEEDED, 0)
    assert len(mails("0 have the newsletter")) == 1


class TestStatus:
    @pytest.fixture
    def editor(self, client: Client) -> Client:
        user = User.objects.create_user("editor")
        user.user_permissions.add(Permission.objects.get(codename="view_newsletter"))
        client.force_login(user)
        return client

    @pytest.mark.usefixtures("readers")
    def test_the_page_that_waits_is_told_how_far_it_is(
        self, issue: Newsletter, editor: Client
    ) -> None:
        live = newsletter.send(issue)
        before = editor.get(f"/newsletter/{live.id}/").json()

        run_jobs(limit=200)
        after = editor.get(f"/newsletter/{live.id}/").json()

        assert (before["progress"], before["pending"], before["finished"]) == (0, READERS, False)
        assert (after["progress"], after["state"], after["finished"]) == (100, "succeeded", True)

    def test_nobody_else_is(self, issue: Newsletter, client: Client) -> None:
        live = newsletter.send(issue)

        assert client.get(f"/newsletter/{live.id}/").status_code == 403

    def test_only_newsletters_are_told_of(self, editor: Client) -> None:
        assert editor.get(f"/newsletter/{uuid4()}/").status_code == 404
        assert editor.get("/newsletter/7/").status_code == 404
        assert editor.post(f"/newsletter/{uuid4()}/").status_code == 405
