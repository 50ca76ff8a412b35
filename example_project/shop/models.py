"""What the shop keeps."""

from __future__ import annotations

from typing import Any, Self

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _


class Branch(models.Model):
    """One branch of the shop, at one airport."""

    #: The airport's ICAO or local code.
    code = models.CharField(_("code"), max_length=4, unique=True)
    iata = models.CharField(_("IATA code"), max_length=3, blank=True)
    name = models.CharField(_("name"), max_length=200)
    city = models.CharField(_("city"), max_length=100, blank=True)
    region = models.CharField(_("region"), max_length=100, blank=True)
    country = models.CharField(_("country"), max_length=2)
    latitude = models.FloatField(_("latitude"))
    longitude = models.FloatField(_("longitude"))
    elevation = models.FloatField(_("elevation in feet"))
    time_zone = models.CharField(_("time zone"), max_length=50)
    #: IATA code of the airport whose depot supplies the branch, and the way from there.
    depot = models.CharField(_("depot"), max_length=3)
    depot_km = models.PositiveIntegerField(_("kilometres to the depot"))
    #: The import that wrote the row last.
    job_id = models.UUIDField(_("imported by job"), db_index=True)

    class Meta:
        verbose_name = _("branch")
        verbose_name_plural = _("branches")
        ordering = ["code"]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


class CustomerQuerySet(models.QuerySet["Customer"]):
    def readers(self) -> Self:
        """Those who want the newsletter, and whom mail reaches."""
        return self.filter(subscription=Customer.Subscription.SUBSCRIBED)


class Customer(models.Model):
    """Somebody who buys at a branch."""

    class Subscription(models.TextChoices):
        """Whether the newsletter is sent."""

        SUBSCRIBED = "subscribed", _("Subscribed")
        UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")
        #: The mail server of the address says that there is nobody.
        BOUNCED = "bounced", _("Bounced")

    email = models.EmailField(_("e-mail"), unique=True)
    name = models.CharField(_("name"), max_length=100)
    branch = models.ForeignKey(
        Branch, verbose_name=_("branch"), null=True, blank=True, on_delete=models.SET_NULL
    )
    subscription = models.CharField(
        _("newsletter"),
        max_length=12,
        choices=Subscription,
        default=Subscription.SUBSCRIBED,
    )

    objects = models.Manager.from_queryset(CustomerQuerySet)()

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        ordering = ["email"]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


class Newsletter(models.Model):
    """One issue of the newsletter."""

    subject = models.CharField(_("subject"), max_length=150)
    text = models.TextField(_("text"))
    #: The batch that delivers it; null until it is sent.
    batch_id = models.UUIDField(_("batch"), null=True, blank=True, unique=True, editable=False)
    #: How many percent of the deliveries have ended.
    progress = models.PositiveSmallIntegerField(_("progress"), default=0, editable=False)
    #: How many deliveries ended in which way, once all have.
    outcomes = models.JSONField(_("outcomes"), default=dict, editable=False)

    class Meta:
        verbose_name = _("newsletter")
        verbose_name_plural = _("newsletters")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.subject


class Delivery(models.Model):
    """A newsletter that was mailed to a customer: it is not mailed again."""

    newsletter = models.ForeignKey(
        Newsletter, verbose_name=_("newsletter"), on_delete=models.CASCADE
    )
    customer = models.ForeignKey(Customer, verbose_name=_("customer"), on_delete=models.CASCADE)
    sent_at = models.DateTimeField(_("sent"), auto_now_add=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            models.UniqueConstraint(
                fields=["newsletter", "customer"], name="shop_delivery_once_each"
            )
        ]

    def __str__(self) -> str:
        return f"{self.newsletter_id} to {self.customer_id}"


class Avatar(models.Model):
    """A customer's picture: the file as it was uploaded, and what is shown."""

    class State(models.TextChoices):
        NEW = "new", _("New")
        PUBLISHED = "published", _("Published")
        REFUSED = "refused", _("Refused")

    customer = models.OneToOneField(Customer, verbose_name=_("customer"), on_delete=models.CASCADE)
    upload = models.FileField(_("upload"), upload_to="uploads")
    state = models.CharField(
        _("state"), max_length=9, choices=State, default=State.NEW, editable=False
    )
    #: Why it was refused.
    error = models.TextField(_("error"), blank=True, editable=False)
    #: Names of the published files by their size in pixels.
    sizes = models.JSONField(_("sizes"), default=dict, editable=False)
    #: The workflow that last worked on it.
    batch_id = models.UUIDField(_("workflow"), null=True, editable=False)

    class Meta:
        verbose_name = _("avatar")
        verbose_name_plural = _("avatars")

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.upload.name}"


def check_lines(lines: Any) -> None:
    """Refuse what no cart can hold.

    Raises:
        ValidationError: It is no list of pairs, each of a number and a text.
    """
    match lines:
        case [*pairs] if all(_is_line(pair) for pair in pairs):
            return
    raise ValidationError(_('Pairs of a number and a text, as in [[2, "Globe"]].'))


def _is_line(pair: Any) -> bool:
    match pair:
        case [int(count), str()]:
            return count > 0
    return False


class Cart(models.Model):
    """What a customer has chosen, and perhaps bought."""

    customer = models.ForeignKey(Customer, verbose_name=_("customer"), on_delete=models.CASCADE)
    #: ``[[2, "Globe"], ...]``: how many, and of what.
    lines = models.JSONField(_("lines"), default=list, validators=[check_lines])
    changed_at = models.DateTimeField(_("changed"), auto_now=True)
    reminded_at = models.DateTimeField(_("reminded"), null=True, blank=True, editable=False)
    ordered_at = models.DateTimeField(_("ordered"), null=True, blank=True, editable=False)
    #: The jobs that may remind the customer and delete the cart; no others may.
    reminder_id = models.UUIDField(_("reminder"), null=True, editable=False)
    deletion_id = models.UUIDField(_("deletion"), null=True, editable=False)

    class Meta:
        verbose_name = _("cart")
        verbose_name_plural = _("carts")

    def __str__(self) -> str:
        return f"{self.customer_id}: {len(self.lines)} lines"
