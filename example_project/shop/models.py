"""What the shop keeps."""

from __future__ import annotations

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
