"""The shop's job, run in this process on the database under test."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from django.core import mail

from celery_jobman.models import Job, Step
from celery_jobman.states import State
from celery_jobman.testing import crash_at_every_checkpoint
from example_project.shop import airports, loading, packs, rules
from example_project.shop.models import Branch
from example_project.shop.tasks import import_branches

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

LIMIT = 250

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _shop(settings: Settings, tmp_path: Path) -> None:
    settings.SHOP_IMPORT_FOLDER = tmp_path
    settings.SHOP_REPORT_TO = ["buyers@example.org"]
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}


@pytest.fixture
def rows() -> list[airports.Row]:
    return airports.read(airports.fetch("airports", uuid4()), LIMIT)


def test_the_import_from_end_to_end(rows: list[airports.Row]) -> None:
    result = import_branches.apply(kwargs={"limit": LIMIT})

    job = Job.objects.get()
    bad = {entry["index"] for entry in Step.objects.get(name="validate").skipped}
    assert (result.state, job.state, job.completed_code) == (
        "SUCCESS",
        State.SUCCEEDED,
        "with rejects",
    )
    assert Branch.objects.filter(job_id=job.id).count() == LIMIT - len(bad)
    assert not Branch.objects.filter(code__in=[rows[index]["icao"] for index in bad]).exists()
    assert [mail.subject for mail in mail.outbox] == [job.return_value["subject"]]
    assert str(job.id) in str(mail.outbox[0].message()["Message-ID"])


def test_its_steps_are_the_declared_ones_in_order() -> None:
    import_branches.apply(kwargs={"limit": LIMIT})

    assert list(Step.objects.order_by("position").values_list("name", flat=True)) == list(
        import_branches.steps
    )


def test_a_pack_may_be_saved_twice(rows: list[airports.Row]) -> None:
    (pack, *_) = packs.cut(rows, set())
    first, second = UUID(int=1), UUID(int=2)

    loading.save(pack, job_id=first)
    Branch.objects.filter(code=rows[0]["icao"]).update(name="Something else")
    loading.save(pack, job_id=second)

    assert Branch.objects.filter(job_id=second).count() == len(pack.rows) == packs.SIZE
    assert Branch.objects.get(code=rows[0]["icao"]).name == rows[0]["name"]


def test_white_space_is_tidied_and_nothing_else_changed(rows: list[airports.Row]) -> None:
    rows = [rows[0] | {"name": " Two  Rivers ", "city": "São  Tomé"}]
    rules.Inspection(rows).judge(rows[0])

    loading.save(packs.cut(rows, set())[0], job_id=uuid4())

    branch = Branch.objects.get()
    assert (branch.name, branch.city) == ("Two Rivers", "São Tomé")
    assert str(branch) == f"Two Rivers ({rows[0]['icao']})"
    assert (branch.latitude, branch.time_zone) == (float(rows[0]["lat"]), rows[0]["tz"])


def test_the_import_can_be_killed_anywhere() -> None:
    places = crash_at_every_checkpoint(
        import_branches,
        kwargs={"limit": 6},
        observe=lambda: list(Branch.objects.order_by("code").values_list("code", flat=True)),
        prepare=mail.outbox.clear,
    )

    assert {place.step for place in places} >= {"validate", "load", "report"}
    assert not Branch.objects.exists()
