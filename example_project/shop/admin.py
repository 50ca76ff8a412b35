from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from example_project.shop.models import Branch

if TYPE_CHECKING:
    BranchModelAdmin = admin.ModelAdmin[Branch]
else:
    BranchModelAdmin = admin.ModelAdmin


@admin.register(Branch)
class BranchAdmin(BranchModelAdmin):
    list_display = ["code", "iata", "name", "city", "country", "depot", "depot_km"]
    list_filter = ["depot"]
    search_fields = ["code", "iata", "name", "city"]
    readonly_fields = ["job_id"]
