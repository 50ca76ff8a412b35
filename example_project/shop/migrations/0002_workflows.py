from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

import example_project.shop.models


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Newsletter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("subject", models.CharField(max_length=150, verbose_name="subject")),
                ("text", models.TextField(verbose_name="text")),
                (
                    "batch_id",
                    models.UUIDField(
                        blank=True, editable=False, null=True, unique=True, verbose_name="batch"
                    ),
                ),
                (
                    "progress",
                    models.PositiveSmallIntegerField(
                        default=0, editable=False, verbose_name="progress"
                    ),
                ),
                (
                    "outcomes",
                    models.JSONField(default=dict, editable=False, verbose_name="outcomes"),
                ),
            ],
            options={
                "verbose_name": "newsletter",
                "verbose_name_plural": "newsletters",
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="Customer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("email", models.EmailField(max_length=254, unique=True, verbose_name="e-mail")),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                (
                    "subscription",
                    models.CharField(
                        choices=[
                            ("subscribed", "Subscribed"),
                            ("unsubscribed", "Unsubscribed"),
                            ("bounced", "Bounced"),
                        ],
                        default="subscribed",
                        max_length=12,
                        verbose_name="newsletter",
                    ),
                ),
                (
                    "branch",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to="shop.branch",
                        verbose_name="branch",
                    ),
                ),
            ],
            options={
                "verbose_name": "customer",
                "verbose_name_plural": "customers",
                "ordering": ["email"],
            },
        ),
        migrations.CreateModel(
            name="Cart",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "lines",
                    models.JSONField(
                        default=list,
                        validators=[example_project.shop.models.check_lines],
                        verbose_name="lines",
                    ),
                ),
                ("changed_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                (
                    "reminded_at",
                    models.DateTimeField(
                        blank=True, editable=False, null=True, verbose_name="reminded"
                    ),
                ),
                (
                    "ordered_at",
                    models.DateTimeField(
                        blank=True, editable=False, null=True, verbose_name="ordered"
                    ),
                ),
                (
                    "reminder_id",
                    models.UUIDField(editable=False, null=True, verbose_name="reminder"),
                ),
                (
                    "deletion_id",
                    models.UUIDField(editable=False, null=True, verbose_name="deletion"),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        to="shop.customer",
                        verbose_name="customer",
                    ),
                ),
            ],
            options={
                "verbose_name": "cart",
                "verbose_name_plural": "carts",
            },
        ),
        migrations.CreateModel(
            name="Avatar",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("upload", models.FileField(upload_to="uploads", verbose_name="upload")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("new", "New"),
                            ("published", "Published"),
                            ("refused", "Refused"),
                        ],
                        default="new",
                        editable=False,
                        max_length=9,
                        verbose_name="state",
                    ),
                ),
                ("error", models.TextField(blank=True, editable=False, verbose_name="error")),
                ("sizes", models.JSONField(default=dict, editable=False, verbose_name="sizes")),
                ("batch_id", models.UUIDField(editable=False, null=True, verbose_name="workflow")),
                (
                    "customer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        to="shop.customer",
                        verbose_name="customer",
                    ),
                ),
            ],
            options={
                "verbose_name": "avatar",
                "verbose_name_plural": "avatars",
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sent_at", models.DateTimeField(auto_now_add=True, verbose_name="sent")),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        to="shop.customer",
                        verbose_name="customer",
                    ),
                ),
                (
                    "newsletter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        to="shop.newsletter",
                        verbose_name="newsletter",
                    ),
                ),
            ],
            options={
                "verbose_name": "delivery",
                "verbose_name_plural": "deliveries",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("newsletter", "customer"), name="shop_delivery_once_each"
                    )
                ],
            },
        ),
    ]
