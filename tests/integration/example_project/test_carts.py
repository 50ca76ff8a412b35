"""Carts that were left, run in this process on the database under test."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.core import mail
from django.db import transaction

from celery_jobman.models import Job, JobAction
from celery_jobman.states import State
from celery_jobman.testing import run_job, run_jobs
from example_project.shop.models import Cart, Customer
from example_project.shop.workflows import carts

if TYPE_CHECKING:
    from uuid import UUID

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop")]

A_DAY = carts.REMIND_AFTER
THREE_DAYS = carts.DELETE_AFTER
A_MINUTE = timedelta(minutes=1)


@pytest.fixture
def cart() -> Cart:
    customer = Customer.objects.create(email="ann@example.org", name="Ann")
    cart = Cart.objects.create(customer=customer)
    carts.fill(cart, [(1, "Globe"), (2, "Suitcase")])
    cart.refresh_from_db()
    return cart


def states(*ids: UUID | None) -> list[str]:
    return [str(Job.objects.get(pk=each).state) for each in ids if each]


def codes(jobs: list[Job]) -> list[str]:
    return [job.completed_code for job in jobs]


def test_at_first_nothing_happens(cart: Cart) -> None:
    assert run_jobs(ahead=A_DAY - A_MINUTE) == []
    assert states(cart.reminder_id, cart.deletion_id) == ["scheduled", "scheduled"]


def test_after_a_day_the_customer_is_reminded_once(cart: Cart) -> None:
    run_jobs(ahead=A_DAY + A_MINUTE)
    run_jobs(ahead=THREE_DAYS - A_MINUTE)

    cart.refresh_from_db()
    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == (["ann@example.org"], "You left something")
    assert "2 x Suitcase" in sent.body
    assert cart.reminded_at is not None


def test_after_three_days_the_cart_is_gone() -> None:
    customer = Customer.objects.create(email="bob@example.org", name="Bob")
    carts.fill(Cart.objects.create(customer=customer), [(1, "Globe")])

    run_jobs(ahead=THREE_DAYS + A_MINUTE)

    assert not Cart.objects.exists()
    assert len(mail.outbox) == 1


def test_what_is_bought_is_neither_reminded_of_nor_deleted(cart: Cart) -> None:
    carts.buy(cart)

    assert run_jobs(ahead=THREE_DAYS + A_MINUTE) == []
    assert states(cart.reminder_id, cart.deletion_id) == ["cancelled", "cancelled"]
    bought = Cart.objects.get()
    assert bought.ordered_at is not None
    assert (bought.reminder_id, bought.deletion_id) == (None, None)
    assert set(JobAction.objects.values_list("reason", flat=True)) == {"the cart was bought"}


def test_bought_after_the_reminder_it_is_still_not_deleted(cart: Cart) -> None:
    run_jobs(ahead=A_DAY + A_MINUTE)

    carts.buy(cart)

    assert states(cart.reminder_id, cart.deletion_id) == ["succeeded", "cancelled"]


def test_to_buy_twice_is_to_buy_once(cart: Cart) -> None:
    carts.buy(cart)
    bought = Cart.objects.get().ordered_at

    carts.buy(cart)

    assert Cart.objects.get().ordered_at == bought


def test_a_purchase_that_is_rolled_back_leaves_the_jobs_as_they_were(cart: Cart) -> None:
    with transaction.atomic():
        carts.buy(cart)
        transaction.set_rollback(True)

    assert states(cart.reminder_id, cart.deletion_id) == ["scheduled", "scheduled"]
    assert Cart.objects.get().ordered_at is None


def test_a_cart_that_is_changed_is_left_anew(cart: Cart) -> None:
    carts.fill(cart, [(1, "Map")])

    changed = Cart.objects.get()
    assert states(cart.reminder_id, cart.deletion_id) == ["cancelled", "cancelled"]
    assert states(changed.reminder_id, changed.deletion_id) == ["scheduled", "scheduled"]
    assert changed.lines == [[1, "Map"]]


@pytest.mark.parametrize("what", ["reminder_id", "deletion_id"])
def test_a_job_that_had_begun_when_the_cart_was_bought_finds_none(cart: Cart, what: str) -> None:
    job = Job.objects.get(pk=getattr(cart, what))
    Cart.objects.update(ordered_at=cart.changed_at)  # the cancel came too late

    ran = run_job(job)

    assert (ran.state, ran.completed_code) == (State.SUCCEEDED, "not left")
    assert Cart.objects.exists()
    assert mail.outbox == []


@pytest.mark.usefixtures("cart")
def test_a_job_of_an_older_state_of_the_cart_finds_none() -> None:
    Cart.objects.update(deletion_id=None, reminder_id=None)

    ran = run_jobs(ahead=THREE_DAYS + A_MINUTE)

    assert codes(ran) == ["not left", "not left"]
    assert Cart.objects.exists()
