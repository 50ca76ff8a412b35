from __future__ import annotations

from django.db import models


class Effect(models.Model):
    """Something that a task did to the world."""

    job = models.CharField(max_length=255, db_index=True)
    attempt = models.PositiveIntegerField()
    name = models.CharField(max_length=100)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.name} of {self.job}"
