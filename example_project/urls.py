"""The site is the admin, and what its pages ask."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from example_project.shop import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("newsletter/<uuid:batch_id>/", views.newsletter_status, name="newsletter_status"),
    path("", RedirectView.as_view(pattern_name="admin:index")),
]
