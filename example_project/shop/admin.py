from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.utils.translation import gettext_lazy as _

from example_project.shop.models import Avatar, Branch, Cart, Customer, Newsletter
from example_project.shop.workflows import avatars, carts, newsletter

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

    BranchModelAdmin = admin.ModelAdmin[Branch]
    CustomerModelAdmin = admin.ModelAdmin[Customer]
    NewsletterModelAdmin = admin.ModelAdmin[Newsletter]
    AvatarModelAdmin = admin.ModelAdmin[Avatar]
    CartModelAdmin = admin.ModelAdmin[Cart]
else:
    BranchModelAdmin = CustomerModelAdmin = NewsletterModelAdmin = admin.ModelAdmin
    AvatarModelAdmin = CartModelAdmin = admin.ModelAdmin


@admin.register(Branch)
class BranchAdmin(BranchModelAdmin):
    list_display = ["code", "iata", "name", "city", "country", "depot", "depot_km"]
    list_filter = ["depot"]
    search_fields = ["code", "iata", "name", "city"]
    readonly_fields = ["job_id"]


@admin.register(Customer)
class CustomerAdmin(CustomerModelAdmin):
    list_display = ["email", "name", "branch", "subscription"]
    list_filter = ["subscription"]
    list_select_related = ["branch"]
    search_fields = ["email", "name"]
    autocomplete_fields = ["branch"]


@admin.register(Newsletter)
class NewsletterAdmin(NewsletterModelAdmin):
    list_display = ["subject", "progress", "outcomes"]
    readonly_fields = ["batch_id", "progress", "outcomes"]
    actions = ["send"]

    @admin.action(description=_("Send the selected newsletters"), permissions=["change"])
    def send(self, request: HttpRequest, chosen: QuerySet[Newsletter]) -> None:
        for each in chosen:
            live = newsletter.send(each)
            messages.success(request, _("%(what)s: batch %(id)s") % {"what": each, "id": live.id})


@admin.register(Avatar)
class AvatarAdmin(AvatarModelAdmin):
    list_display = ["customer", "state", "error", "sizes"]
    list_filter = ["state"]
    list_select_related = ["customer"]
    autocomplete_fields = ["customer"]
    readonly_fields = ["state", "error", "sizes", "batch_id"]

    def save_model(self, request: HttpRequest, obj: Avatar, form: Any, change: Any) -> None:
        super().save_model(request, obj, form, change)
        if "upload" in form.changed_data:
            avatars.start(obj)


@admin.register(Cart)
class CartAdmin(CartModelAdmin):
    list_display = ["customer", "lines", "changed_at", "reminded_at", "ordered_at"]
    list_select_related = ["customer"]
    autocomplete_fields = ["customer"]
    readonly_fields = ["reminder_id", "deletion_id", "reminded_at", "ordered_at"]
    actions = ["buy"]

    def save_model(self, request: HttpRequest, obj: Cart, form: Any, change: Any) -> None:
        super().save_model(request, obj, form, change)
        if obj.ordered_at is None:
            carts.fill(obj, obj.lines)

    @admin.action(description=_("Buy what is in the selected carts"), permissions=["change"])
    def buy(self, request: HttpRequest, chosen: QuerySet[Cart]) -> None:
        for each in chosen:
            carts.buy(each)
            messages.success(request, _("Cart %(number)s is bought") % {"number": each.pk})
