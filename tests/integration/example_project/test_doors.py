"""The shop's command and its pages in the admin, by which the workflows are begun."""

from __future__ import annotations

from io import BytesIO, StringIO
from typing import TYPE_CHECKING

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from PIL import Image

from celery_jobman.models import Batch, Job
from celery_jobman.states import State
from celery_jobman.testing import run_jobs
from example_project.shop.models import Avatar, Branch, Cart, Customer, Newsletter

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("shop"),
    pytest.mark.urls("example_project.urls"),
]


def shop(*arguments: str) -> str:
    out = StringIO()
    call_command("shop", *arguments, stdout=out)
    return out.getvalue().strip()


def picture() -> bytes:
    out = BytesIO()
    Image.new("RGB", (200, 200)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def ann() -> Customer:
    return Customer.objects.create(email="ann@example.org", name="Ann")


class TestTheCommand:
    def test_an_import_and_subscribers(self) -> None:
        told = shop("import", "--country", "SZ", "--limit", "1")
        run_jobs()

        assert told == f"batch {Batch.objects.get().pk}"
        assert Branch.objects.count() == 1
        assert shop("subscribe", "SZ") == "1 new customers"
        assert shop("subscribe", "SZ") == "0 new customers"

    @pytest.mark.usefixtures("ann")
    def test_a_newsletter(self) -> None:
        told = shop("newsletter", "News", "All is well.")

        assert told == f"batch {Newsletter.objects.get().batch_id}"

    @pytest.mark.usefixtures("ann")
    def test_a_picture(self, tmp_path: Path) -> None:
        (tmp_path / "me.png").write_bytes(picture())

        told = shop("avatar", "ann@example.org", str(tmp_path / "me.png"))
        run_jobs()

        avatar = Avatar.objects.get()
        assert told == f"batch {avatar.batch_id}"
        assert avatar.state == Avatar.State.PUBLISHED

    @pytest.mark.usefixtures("ann")
    def test_a_cart(self) -> None:
        assert shop("cart", "ann@example.org", "Globe") == f"cart {Cart.objects.get().pk}"
        assert shop("buy", "ann@example.org") == "1 carts bought"
        assert shop("buy", "ann@example.org") == "0 carts bought"

    def test_a_customer_must_be_known(self) -> None:
        with pytest.raises(CommandError, match="no customer has the address eve@example"):
            shop("cart", "eve@example.org", "Globe")


class TestTheAdmin:
    def test_a_newsletter_is_sent_by_an_action(self, admin_client: Client, ann: Customer) -> None:
        issue = Newsletter.objects.create(subject="News", text="All is well.")

        fields = {"action": "send", "_selected_action": [issue.pk]}
        page = admin_client.post("/admin/shop/newsletter/", fields, follow=True)

        issue.refresh_from_db()
        assert f"News: batch {issue.batch_id}" in page.content.decode()
        assert Job.objects.get(batch_id=issue.batch_id).arguments[0] == [issue.pk, ann.pk]

    def test_an_upload_begins_a_workflow(self, admin_client: Client, ann: Customer) -> None:
        upload = SimpleUploadedFile("me.png", picture())

        admin_client.post("/admin/shop/avatar/add/", {"customer": ann.pk, "upload": upload})

        assert Batch.objects.roots().get().pk == Avatar.objects.get().batch_id

    def test_a_cart_is_left_and_bought(self, admin_client: Client, ann: Customer) -> None:
        fields = {"customer": ann.pk, "lines": '[[1, "Globe"]]'}
        admin_client.post("/admin/shop/cart/add/", fields)
        left = Cart.objects.get()

        fields = {"action": "buy", "_selected_action": [left.pk]}
        page = admin_client.post("/admin/shop/cart/", fields, follow=True)

        assert "is bought" in page.content.decode()
        assert set(Job.objects.values_list("state", flat=True)) == {State.CANCELLED}

    @pytest.mark.parametrize("lines", ['{"Globe": 1}', "[1]", '[["Globe"]]', '[["x", "Globe"]]'])
    def test_a_cart_holds_lines(self, admin_client: Client, ann: Customer, lines: str) -> None:
        page = admin_client.post("/admin/shop/cart/add/", {"customer": ann.pk, "lines": lines})

        assert "as in" in page.content.decode()
        assert not Cart.objects.exists()
