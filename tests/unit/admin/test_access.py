from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User

from celery_jobman.admin.access import PERMISSIONS, Deed, may
from tests.docs.pages import DOCS, rows
from tests.factories import queued_job

if TYPE_CHECKING:
    from pytest_django import Settings as Project

    from celery_jobman.models import Job

pytestmark = pytest.mark.django_db


def user(*permissions: str, **facts: Any) -> User:
    someone = User.objects.create_user("ann", **{"is_staff": True, **facts})
    someone.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return someone


def never(user: Any, deed: str, job: Job) -> bool | None:  # noqa: ARG001
    return False if deed == "cancel" else None


def always(user: Any, deed: str, job: Job) -> bool:  # noqa: ARG001
    return True


@pytest.mark.parametrize("deed", Deed)
def test_a_deed_needs_all_of_its_permissions(deed: Deed) -> None:
    job = queued_job()
    someone = user(*PERMISSIONS[deed])

    assert may(someone, deed, job)
    for missing in PERMISSIONS[deed]:
        others = Permission.objects.filter(codename__in=set(PERMISSIONS[deed]) - {missing})
        someone.user_permissions.set(others)
        assert not may(User.objects.get(pk=someone.pk), deed, job)


@pytest.mark.parametrize("facts", [{"is_staff": False}, {"is_active": False}])
def test_who_may_not_enter_the_admin_may_do_nothing(facts: dict[str, Any]) -> None:
    assert not may(user("view_job", is_superuser=True, **facts), Deed.VIEW)
    assert not may(AnonymousUser(), Deed.VIEW)


def test_every_permission_exists() -> None:
    wanted = {name for names in PERMISSIONS.values() for name in names}

    assert wanted <= set(Permission.objects.values_list("codename", flat=True))


def test_the_projects_rule_can_take_away(settings: Project) -> None:
    settings.JOBMAN = {"CAN": f"{__name__}.never"}
    someone = user("view_job", "cancel_job")

    assert not may(someone, Deed.CANCEL, queued_job())
    assert may(someone, Deed.VIEW, queued_job())
    assert may(someone, Deed.CANCEL)


def test_the_projects_rule_cannot_give(settings: Project) -> None:
    settings.JOBMAN = {"CAN": f"{__name__}.always"}

    assert not may(user("view_job"), Deed.CANCEL, queued_job())


def _every(deed: str) -> set[str]:
    """Return what the page says of all deeds on jobs."""
    return set() if "batch" in deed else {"view_job"}


def test_the_page_on_permissions_says_the_same() -> None:
    told = {
        row[2].strip("`"): {*_every(row[2]), *row[1].replace("`", "").split(", ")}
        for row in rows(DOCS / "reference" / "admin.md")
        if len(row) > 2 and row[2].strip("`") in set(Deed)
    }

    assert told == {str(deed): set(names) for deed, names in PERMISSIONS.items()}
