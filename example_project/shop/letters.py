"""The newsletter: who gets it, what it says, and what is known of an address afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from example_project.shop import post
from example_project.shop.models import Branch, Customer, Delivery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from example_project.shop.models import Newsletter


def sign_up(country: str) -> int:
    """Let a customer of every branch in a country subscribe; return how many are new.

    So there is somebody to write to: ``lszh@example.org`` buys at the airport of Zürich.

    Args:
        country: Two letters, such as ``CH``.
    """
    branches = Branch.objects.filter(country=country)
    before = Customer.objects.count()
    Customer.objects.bulk_create(
        [
            Customer(email=f"{each.code.lower()}@example.org", name=each.name[:100], branch=each)
            for each in branches
        ],
        ignore_conflicts=True,
    )
    return Customer.objects.count() - before


def why_not(newsletter: Newsletter, customer: Customer) -> str:
    """Return why a customer is not written to, in a word or two; empty: nothing is against it."""
    if customer.subscription != Customer.Subscription.SUBSCRIBED:
        return customer.subscription
    if Delivery.objects.filter(newsletter=newsletter, customer=customer).exists():
        return "sent before"
    return ""


def send(newsletter: Newsletter, customer: Customer) -> None:
    """Mail the newsletter to a customer, and note it.

    At least once: a worker killed between the two sends it again, with the same Message-ID.

    Raises:
        Bounced: There is nobody at the customer's address.
        OSError: The mail cannot be sent now.
    """
    key = f"newsletter-{newsletter.pk}-{customer.pk}"
    lines = _lines(newsletter, customer)
    post.send(newsletter.subject, lines, to=[customer.email], key=key)
    Delivery.objects.get_or_create(newsletter=newsletter, customer=customer)


def mark_bounced(customer_id: int) -> None:
    """Write to a customer no more: there is nobody at the address.

    Somebody who unsubscribed stays unsubscribed.
    """
    readers = Customer.objects.readers().filter(pk=customer_id)
    readers.update(subscription=Customer.Subscription.BOUNCED)


def _lines(newsletter: Newsletter, customer: Customer) -> Iterator[str]:
    yield f"Dear {customer.name},"
    yield ""
    yield newsletter.text
    if branch := customer.branch:
        yield ""
        yield f"Your branch {branch} is supplied from {branch.depot}, {branch.depot_km:,} km away."
