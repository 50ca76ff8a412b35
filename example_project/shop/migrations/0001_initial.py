from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Branch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=4, unique=True, verbose_name="code")),
                ("iata", models.CharField(blank=True, max_length=3, verbose_name="IATA code")),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                ("city", models.CharField(blank=True, max_length=100, verbose_name="city")),
                ("region", models.CharField(blank=True, max_length=100, verbose_name="region")),
                ("country", models.CharField(max_length=2, verbose_name="country")),
                ("latitude", models.FloatField(verbose_name="latitude")),
                ("longitude", models.FloatField(verbose_name="longitude")),
                ("elevation", models.FloatField(verbose_name="elevation in feet")),
                ("time_zone", models.CharField(max_length=50, verbose_name="time zone")),
                ("depot", models.CharField(max_length=3, verbose_name="depot")),
                ("depot_km", models.PositiveIntegerField(verbose_name="kilometres to the depot")),
                ("job_id", models.UUIDField(db_index=True, verbose_name="imported by job")),
            ],
            options={
                "verbose_name": "branch",
                "verbose_name_plural": "branches",
                "ordering": ["code"],
            },
        ),
    ]
