"""Carts that were left: reminding their customers, and deleting them.

Each cart names the jobs that may do so.  A job that is named no longer, because the cart was
changed or bought, finds no cart: one condition decides, in the database, whatever is running.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from example_project.shop import post
from example_project.shop.models import Cart

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID


def to_remind(cart_id: int, job_id: UUID) -> Cart | None:
    """Return the cart, if it is still this job's to remind of."""
    left = Cart.objects.filter(pk=cart_id, ordered_at=None, reminder_id=job_id)
    return left.select_related("customer").first()


def remind(cart: Cart, job_id: UUID) -> None:
    """Mail the reminder.

    At least once, with one Message-ID.

    Raises:
        Bounced: There is nobody at the customer's address.
        OSError: The mail cannot be sent now.
    """
    post.send("You left something", _lines(cart), to=[cart.customer.email], key=job_id)
    Cart.objects.filter(pk=cart.pk).update(reminded_at=timezone.now())


def delete(cart_id: int, job_id: UUID) -> bool:
    """Delete the cart, if it is still this job's to delete; return whether it was.

    One statement: a cart that is bought at the same moment is either bought or deleted.
    """
    left = Cart.objects.filter(pk=cart_id, ordered_at=None, deletion_id=job_id)
    deleted, _ = left.delete()
    return bool(deleted)


def _lines(cart: Cart) -> Iterator[str]:
    yield f"Dear {cart.customer.name},"
    yield ""
    yield "this is still in your cart:"
    yield ""
    for count, what in cart.lines:
        yield f"  {count} x {what}"
