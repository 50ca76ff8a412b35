"""Abandoned carts: a reminder after a day, deletion after three, and neither once it is bought."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from celery import shared_task
from django.db import transaction
from django.utils import timezone

from celery_jobman import JobTask, actions
from celery_jobman.exceptions import JobNotFound, TransitionRefused
from example_project.shop import carts
from example_project.shop.models import Cart

if TYPE_CHECKING:
    from collections.abc import Sequence

REMIND_AFTER: Final = timedelta(hours=24)
DELETE_AFTER: Final = timedelta(days=3)


@transaction.atomic
def fill(cart: Cart, lines: Sequence[tuple[int, str]]) -> None:
    """Change what is in a cart; from now on it counts as left.

    The jobs wait in the database, for a day and for three, and leave with the transaction: a
    change that is rolled back takes them along.
    """
    locked = Cart.objects.select_for_update().get(pk=cart.pk)
    _withdraw(locked, "the cart was changed")
    locked.lines = [list(line) for line in lines]
    locked.reminded_at = None
    locked.reminder_id = _later(remind, locked.pk, REMIND_AFTER)
    locked.deletion_id = _later(delete, locked.pk, DELETE_AFTER)
    locked.save()


@transaction.atomic
def buy(cart: Cart) -> None:
    """Make a cart an order; nobody is reminded of it, and it stays.

    Raises:
        Cart.DoesNotExist: It was deleted at this moment.  Nothing was written.
    """
    locked = Cart.objects.select_for_update().get(pk=cart.pk)
    if locked.ordered_at is None:
        _withdraw(locked, "the cart was bought")
        locked.ordered_at = timezone.now()
        locked.reminder_id = locked.deletion_id = None
        locked.save()


def _later(task: Any, cart_id: int, wait: timedelta) -> UUID:
    return UUID(task.apply_async((cart_id,), countdown=wait.total_seconds(), tags=["cart"]).id)


def _withdraw(cart: Cart, reason: str) -> None:
    """Cancel what was to be done about a cart.

    A job that has ended, or was pruned since, needs no cancelling.  One that runs is asked to
    stop, and finds no cart of its own if it is too late for that.
    """
    for job_id in filter(None, (cart.reminder_id, cart.deletion_id)):
        with suppress(TransitionRefused, JobNotFound):
            actions.cancel(job_id, actor="shop", reason=reason)


@shared_task(
    base=JobTask,
    bind=True,
    steps=("mail",),
    effects={"mail": "sends the customer a mail"},
    max_attempts=5,
    backoff=[60, 600, 3600],
)
def remind(self: JobTask, cart_id: int) -> None:
    """Remind a customer of a cart, if it is still as it was left."""
    cart = carts.to_remind(cart_id, self.job.id)
    if cart is None:
        self.skip("not left")
    self.step("mail", carts.remind, cart, self.job.id)


@shared_task(base=JobTask, bind=True, max_attempts=5, backoff=60)
def delete(self: JobTask, cart_id: int) -> None:
    """Delete a cart, if it is still as it was left."""
    if not carts.delete(cart_id, self.job.id):
        self.skip("not left")
