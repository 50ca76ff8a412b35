"""The way of a picture, run in this process on the database under test."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core.files.base import ContentFile
from PIL import Image

from celery_jobman import actions, find_batch
from celery_jobman.models import Batch, Job
from celery_jobman.states import State
from celery_jobman.testing import run_jobs
from example_project.shop.models import Avatar, Customer
from example_project.shop.workflows import avatars

if TYPE_CHECKING:
    from uuid import UUID

    from pytest_django import Settings

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop")]


def picture(colour: str = "red") -> bytes:
    out = BytesIO()
    Image.new("RGB", (200, 200), colour).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def avatar() -> Avatar:
    customer = Customer.objects.create(email="ann@example.org", name="Ann")
    return uploaded(Avatar(customer=customer), picture())


def uploaded(avatar: Avatar, content: bytes) -> Avatar:
    avatar.upload.save("me.png", ContentFile(content))
    return avatar


def made(avatar: Avatar) -> Batch:
    live = avatars.start(avatar)
    run_jobs()
    avatar.refresh_from_db()
    return find_batch(live.id).row


def members(root_id: UUID) -> dict[str, set[tuple[str, int]]]:
    """Return the states and attempts of a chain's jobs, by the last word of their tasks."""
    batches = Batch.objects.filter(root_id=root_id).values("pk")
    found: dict[str, set[tuple[str, int]]] = {}
    for job in Job.objects.filter(batch_id__in=batches):
        word = job.task.rpartition(".")[2]
        found.setdefault(word, set()).add((str(job.state), job.attempt))
    return found


def install(settings: Settings) -> None:
    program = Path(settings.SHOP_OPTIMISER)
    program.write_text("#!/bin/sh\necho small\n")
    program.chmod(0o755)


def files(settings: Settings, avatar: Avatar) -> dict[str, bool]:
    """Return which published files are there."""
    folder = Path(settings.MEDIA_ROOT) / "avatars"
    return {size: (folder / name).exists() for size, name in avatar.sizes.items()}


ALL_THERE = {"64": True, "256": True, "512": True}


def test_a_picture_becomes_three(settings: Settings, avatar: Avatar) -> None:
    install(settings)

    chain = made(avatar)

    assert (chain.state, chain.total) == (State.SUCCEEDED, 4)
    assert (avatar.state, avatar.batch_id) == (Avatar.State.PUBLISHED, chain.pk)
    assert files(settings, avatar) == ALL_THERE
    assert all(name.endswith("-small.jpg") for name in avatar.sizes.values())


def test_an_optimiser_that_fails_breaks_nothing(settings: Settings, avatar: Avatar) -> None:
    chain = made(avatar)

    assert members(chain.pk)["optimise"] == {("failed", 1)}
    assert (chain.state, chain.failed, chain.excused) == (State.SUCCEEDED, 1, 1)
    assert avatar.state == Avatar.State.PUBLISHED
    assert files(settings, avatar) == ALL_THERE
    assert not any("small" in name for name in avatar.sizes.values())


def test_once_it_is_installed_the_chain_goes_on_from_there(
    settings: Settings, avatar: Avatar
) -> None:
    chain = made(avatar)
    install(settings)

    optimise = Job.objects.get(task=avatars.optimise.name)
    actions.retry_from_link(optimise.pk, reason="installed")
    run_jobs()

    avatar.refresh_from_db()
    assert members(chain.pk) == {
        "check": {("succeeded", 1)},
        "resize": {("succeeded", 1)},
        "optimise": {("succeeded", 2)},
        "publish": {("succeeded", 2)},
    }
    assert all(name.endswith("-small.jpg") for name in avatar.sizes.values())


def test_what_is_no_picture_is_refused_and_the_rest_skipped(avatar: Avatar) -> None:
    chain = made(uploaded(avatar, b"<svg/>"))

    assert (avatar.state, avatar.error) == (
        Avatar.State.REFUSED,
        "not a picture in JPEG, PNG, WEBP",
    )
    assert (chain.state, chain.failed, chain.skipped) == (State.FAILED, 1, 3)
    assert avatar.sizes == {}


def test_a_newer_picture_is_not_replaced_by_an_older_one(avatar: Avatar) -> None:
    older = avatars.start(avatar)
    newer = avatars.start(uploaded(avatar, picture("blue")))

    run_jobs()

    avatar.refresh_from_db()
    first, second = (
        Job.objects.get(batch_id=live.id, task=avatars.publish.name) for live in (older, newer)
    )
    assert (first.completed_code, second.completed_code) == ("replaced", "")
    assert avatar.sizes == second.return_value
