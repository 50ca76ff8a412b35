"""``manage.py shop``: begin each of the shop's workflows from a shell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.files import File
from django.core.management.base import BaseCommand, CommandError

from example_project.shop import letters
from example_project.shop.models import Avatar, Cart, Customer, Newsletter
from example_project.shop.workflows import avatars, carts, fan_out, newsletter

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Begins a workflow of the shop."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verb = verbs.add_parser("import", help="import branches, with a job for each row")
        verb.add_argument("--country", default="", help="two letters; all countries without")
        verb.add_argument("--limit", type=int, help="so many rows")
        verb = verbs.add_parser("subscribe", help="let a customer of every branch subscribe")
        verb.add_argument("country", help="two letters")
        verb = verbs.add_parser("newsletter", help="send a newsletter to all who want it")
        verb.add_argument("subject")
        verb.add_argument("text")
        verb = verbs.add_parser("avatar", help="make a file the picture of a customer")
        verb.add_argument("email")
        verb.add_argument("file", type=Path)
        verb = verbs.add_parser("cart", help="put something into a customer's cart")
        verb.add_argument("email")
        verb.add_argument("what")
        verb = verbs.add_parser("buy", help="buy what is in a customer's carts")
        verb.add_argument("email")

    def handle(self, **options: Any) -> str:
        return str(getattr(self, f"_{options['verb']}")(**options))

    def _import(self, *, country: str, limit: int | None, **_: Any) -> str:
        return f"batch {fan_out.start(country=country, limit=limit).id}"

    def _subscribe(self, *, country: str, **_: Any) -> str:
        return f"{letters.sign_up(country)} new customers"

    def _newsletter(self, *, subject: str, text: str, **_: Any) -> str:
        issue = Newsletter.objects.create(subject=subject, text=text)
        return f"batch {newsletter.send(issue).id}"

    def _avatar(self, *, email: str, file: Path, **_: Any) -> str:
        avatar, _is_new = Avatar.objects.get_or_create(customer=_customer(email))
        with file.open("rb") as content:
            avatar.upload.save(file.name, File(content))
        return f"batch {avatars.start(avatar).id}"

    def _cart(self, *, email: str, what: str, **_: Any) -> str:
        cart = Cart.objects.create(customer=_customer(email))
        carts.fill(cart, [(1, what)])
        return f"cart {cart.pk}"

    def _buy(self, *, email: str, **_: Any) -> str:
        full = Cart.objects.filter(customer=_customer(email), ordered_at=None)
        for cart in full:
            carts.buy(cart)
        return f"{len(full)} carts bought"


def _customer(email: str) -> Customer:
    customer = Customer.objects.filter(email=email).first()
    if customer is None:
        raise CommandError(f"no customer has the address {email}; subscribe makes some")
    return customer
