"""Avatars: an upload is checked, made into three sizes, made smaller, and published.

The chain is durable: when a link fails, those after it wait for somebody to retry it, and then
go on with what the links before it made.
"""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from celery import shared_task
from django.conf import settings
from django.db import transaction

from celery_jobman import JobTask, chain, group
from example_project.shop import pictures
from example_project.shop.models import Avatar

if TYPE_CHECKING:
    from celery_jobman import LiveBatch
    from example_project.shop.pictures import Checked, Made

#: Makes JPEGs smaller, where it is installed.
OPTIMISER: Final = "jpegoptim"


@transaction.atomic
def start(avatar: Avatar) -> LiveBatch:
    """Begin to make an uploaded picture an avatar."""
    upload = avatar.upload.name
    flow = chain(
        check.s(avatar.pk, upload),
        group(resize.s(size) for size in pictures.SIZES),
        optimise.s().set(allow_failure=True),  # smaller is better, but no avatar is worse
        publish.s(avatar.pk, upload),
        name=f"Avatar of {avatar.customer}",
        tags=["avatar"],
    )
    live = flow.dispatch()
    fresh = {"state": Avatar.State.NEW, "error": "", "batch_id": live.id}
    Avatar.objects.filter(pk=avatar.pk).update(**fresh)
    return live


@shared_task(base=JobTask)
def check(avatar_id: int, upload: str) -> Checked:
    """Make sure that the upload is a picture; the customer is told if it is not."""
    try:
        return pictures.check(_file(upload))
    except pictures.BadPicture as error:
        refused = {"state": Avatar.State.REFUSED, "error": str(error)}
        Avatar.objects.filter(pk=avatar_id, upload=upload).update(**refused)
        raise


@shared_task(base=JobTask)
def resize(checked: Checked, size: int) -> Made:
    """Make one size."""
    return pictures.resize(checked, size, _file("avatars"))


@shared_task(base=JobTask)
def optimise(made: list[Made]) -> list[Made]:
    """Make the files smaller, by a program that not every machine has."""
    program = getattr(settings, "SHOP_OPTIMISER", OPTIMISER)
    return [pictures.optimise(one, program) for one in made]


@shared_task(base=JobTask, bind=True)
def publish(self: JobTask, made: list[Made], avatar_id: int, upload: str) -> dict[str, str]:
    """Show the sizes, unless another picture was uploaded in the meantime."""
    sizes = {str(one["size"]): Path(one["path"]).name for one in made}
    shown = {"state": Avatar.State.PUBLISHED, "error": "", "sizes": sizes}
    if not Avatar.objects.filter(pk=avatar_id, upload=upload).update(**shown):
        self.skip("replaced")
    return sizes


def _file(name: str) -> Path:
    """Return the path of a file or folder of the site; several machines need a shared one."""
    return Path(settings.MEDIA_ROOT) / name
