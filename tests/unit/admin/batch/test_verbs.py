"""The verbs on batches: who may, when, and that what is offered is what works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.test import Client

from celery_jobman.admin.access import PERMISSIONS, Deed
from celery_jobman.admin.batch.offers import buttons
from celery_jobman.models import Batch, Job, JobAction
from celery_jobman.models.batch import Stopping
from celery_jobman.states import FINAL, State
from tests.factories import NOON, begun_batch, linked, member, nested

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User

pytestmark = pytest.mark.django_db

#: Each button, with the deed that it needs, its page and what its form is filled in with.
BUTTONS: dict[str, tuple[Deed, str, dict[str, str]]] = {
    "cancel": (Deed.CANCEL_BATCH, "cancel", {}),
    "retry-failed": (Deed.RETRY_BATCH, "retry", {"scope": "failed"}),
    "retry-all": (Deed.RETRY_BATCH, "retry", {"scope": "all"}),
}
#: The states of the batches that follow in which each is offered.
OPEN = {
    "cancel": {State.BLOCKED, State.RUNNING},
    "retry-failed": {State.RUNNING, State.FAILED, State.CANCELLED},
    "retry-all": {*FINAL},
}
STATES = (State.BLOCKED, State.RUNNING, *sorted(FINAL))


def in_state(state: State) -> Batch:
    """Return a batch that has failures where a batch in its state can have some."""
    fails = state in OPEN["retry-failed"]
    whole = begun_batch(state, total=2, failed=int(fails), name="nightly")
    if fails:
        member(whole, State.FAILED)
    waits = {State.BLOCKED: State.BLOCKED, State.RUNNING: State.QUEUED}
    for position in range(1, 3 - fails):
        member(whole, waits.get(state, State.SUCCEEDED), position=position)
    return whole


def standing(row: Batch | Job) -> str:
    turn = row.attempt if isinstance(row, Job) else row.finishes
    return f"{row.state}.{turn}"


def said(answer: Any) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def offered(seen_by: Any, whole: Batch, user: User) -> dict[str, bool]:
    found = buttons(seen_by(whole, user=user)).get("offers", [])
    assert all(bool(offer.why) is not offer.enabled for offer, _why in found)
    return {offer.slug: offer.enabled for offer, _why in found}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("who", ["all", "lacking", "nobody"])
@pytest.mark.parametrize("button", BUTTONS)
def test_what_is_offered_is_what_works(
    seen_by: Any, user_with: Callable[..., User], url: Any, button: str, who: str, state: State
) -> None:
    deed, page, fields = BUTTONS[button]
    names = PERMISSIONS[deed]
    user = user_with(*{"all": names, "lacking": names[:-1], "nobody": ()}[who])
    client = Client()
    client.force_login(user)
    whole = in_state(state)

    enabled = offered(seen_by, whole, user).get(button)
    shown = client.get(url(whole, page))
    answer = client.post(url(whole, page), {"standing": standing(whole), **fields})

    may = who == "all"
    assert enabled is (state in OPEN[button] if may else None)
    assert shown.status_code == (200 if may else 404)
    assert answer.status_code == (302 if may else 404)
    assert JobAction.objects.filter(job_id=whole.pk).exists() is bool(enabled)
    assert LogEntry.objects.exists() is bool(enabled)


def test_the_projects_rule_takes_verbs_away(admin_client: Client, url: Any, settings: Any) -> None:
    settings.JOBMAN = {"CAN": f"{__name__}.never"}
    whole = in_state(State.RUNNING)

    for page in ("cancel", "retry"):
        assert admin_client.get(url(whole, page)).status_code == 404
    assert "Cancel remaining" not in admin_client.get(url(whole)).content.decode()


def never(user: Any, deed: str, row: Any) -> bool:  # noqa: ARG001
    return deed not in {"cancel-batch", "retry-batch"}


def test_cancelling_says_what_will_happen_and_then_does_it(admin_client: Client, url: Any) -> None:
    whole = begun_batch(total=3, succeeded=1)
    member(whole, State.SUCCEEDED)
    member(whole, State.RUNNING, position=1)
    member(whole, State.QUEUED, position=2)

    page = admin_client.get(url(whole, "cancel")).content.decode()
    data = {"standing": standing(whole), "reason": "wrong file"}
    answer = admin_client.post(url(whole, "cancel"), data)

    assert "2 members have not ended" in page
    assert "1 member has ended" in page
    assert answer.headers["Location"] == url(whole)
    assert said(answer) == "The batch is being cancelled."
    whole.refresh_from_db()
    assert whole.stopping == Stopping.CANCELLED
    action = JobAction.objects.get()
    assert (action.verb, action.job_id, action.reason) == ("cancel batch", whole.pk, "wrong file")


def test_a_get_changes_nothing(admin_client: Client, url: Any) -> None:
    whole = in_state(State.FAILED)

    for page in ("cancel", "retry", "graph", "state"):
        admin_client.get(url(whole, page))

    assert Batch.objects.get(pk=whole.pk).state == State.FAILED
    assert not JobAction.objects.exists()


@pytest.mark.parametrize("page", ["cancel", "retry"])
def test_a_second_click_does_nothing(admin_client: Client, url: Any, page: str) -> None:
    whole = in_state(State.RUNNING)
    data = {"standing": standing(whole), "scope": "failed"}

    first, second = (admin_client.post(url(whole, page), data) for _ in range(2))

    assert said(first)
    assert said(second)
    assert JobAction.objects.count() == 1


def test_a_page_that_is_out_of_date_does_nothing(admin_client: Client, url: Any) -> None:
    whole = in_state(State.RUNNING)
    data = {"standing": standing(whole)}
    Batch.objects.filter(pk=whole.pk).update(
        state=State.FAILED, pending=0, failed=2, finished_at=NOON, finishes=1
    )

    answer = admin_client.post(url(whole, "cancel"), data)

    assert "changed since you opened this page (now Failed)" in said(answer)
    assert not JobAction.objects.exists()


@pytest.mark.parametrize("page", ["cancel", "retry"])
def test_a_batch_that_moves_on_meanwhile_is_left_alone(
    admin_client: Client, url: Any, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from celery_jobman import actions  # noqa: PLC0415 - patched below
    from celery_jobman.exceptions import TransitionRefused  # noqa: PLC0415 - as above

    whole = in_state(State.RUNNING)

    def refuse(batch_id: Any, *_args: Any, **_terms: Any) -> Any:
        raise TransitionRefused(batch_id, "touched", "running", noun="batch")

    monkeypatch.setattr(actions, f"{page}_batch", refuse)
    answer = admin_client.post(url(whole, page), {"standing": standing(whole), "scope": "failed"})

    assert "changed since you opened this page" in said(answer)
    assert not LogEntry.objects.exists()


def test_a_retry_tells_what_runs_again_before_it_does(admin_client: Client, url: Any) -> None:
    whole = begun_batch(
        State.FAILED, kind="chain", total=3, succeeded=1, failed=1, skipped=1,
        callbacks='{"finally": [{"task": "demo.last"}]}',
    )  # fmt: skip
    first = member(whole, State.SUCCEEDED)
    failed = member(whole, State.FAILED, label="Import of May")
    rest = member(whole, State.SKIPPED, stopped_by=failed.pk, attempt=0, started_at=None)
    linked(first, failed, rest)

    shown = admin_client.get(url(whole, "retry"))
    plans = {one.value: one.plan for one in shown.context["choices"]}
    data = {"standing": standing(whole), "scope": "failed", "reason": "fixed"}
    answer = admin_client.post(url(whole, "retry"), data)

    told = (plans["failed"].again_count, plans["failed"].waiting_count)
    assert (told, plans["failed"].reused_count) == ((1, 1), 1)
    assert plans["all"].reused_count == 0
    page = shown.content.decode()
    assert "Import of May" in page
    assert "Finally" in page
    assert said(answer) == "1 job runs again, and 1 after that."
    states = [Job.objects.get(pk=job.pk).state for job in (first, failed, rest)]
    assert states == [State.SUCCEEDED, State.SCHEDULED, State.BLOCKED]
    assert Batch.objects.get(pk=whole.pk).state == State.RUNNING
    history = admin_client.get(url(whole)).content.decode()
    assert "Batch retried" in history
    assert "fixed" in history


def test_failures_deeper_inside_can_be_retried_while_the_workflow_runs(
    admin_client: Client, url: Any, seen_by: Any, admin_user: User
) -> None:
    whole = begun_batch(total=1)
    inner = nested(whole, total=2, failed=1, on_failure="continue")
    job = member(inner, State.FAILED)
    member(inner, State.RUNNING, position=1)

    assert offered(seen_by, whole, admin_user)["retry-failed"]
    admin_client.post(url(whole, "retry"), {"standing": standing(whole), "scope": "failed"})

    assert Job.objects.get(pk=job.pk).state == State.SCHEDULED


def test_a_scope_in_which_nothing_can_be_done_cannot_be_chosen(
    admin_client: Client, url: Any
) -> None:
    whole = in_state(State.SUCCEEDED)

    page = admin_client.get(url(whole, "retry")).content.decode()
    answer = admin_client.post(
        url(whole, "retry"), {"standing": standing(whole), "scope": "failed"}
    )

    assert "Nothing in it has failed." in page
    assert page.count("disabled") == 2
    assert "changed since" in said(answer)
    assert not JobAction.objects.exists()


def test_a_choice_that_there_is_not_is_refused(admin_client: Client, url: Any) -> None:
    whole = in_state(State.FAILED)

    answer = admin_client.post(url(whole, "retry"), {"standing": standing(whole), "scope": "x"})

    assert answer.status_code == 200
    assert not JobAction.objects.exists()


def chained() -> tuple[Batch, Job, Job]:
    whole = begun_batch(State.SUCCEEDED, kind="chain", total=2)
    jobs = member(whole, State.SUCCEEDED, task="demo.one"), member(whole, State.SUCCEEDED)
    linked(*jobs)
    return whole, *jobs


def test_a_link_is_retried_with_all_that_follows(admin_client: Client, url: Any) -> None:
    whole, first, second = chained()
    address = url(whole, "retry_from", member=first.pk)

    page = admin_client.get(address).content.decode()
    answer = admin_client.post(address, {"standing": standing(first), "reason": "again"})

    assert "1 job runs again at once." in page
    assert "1 job runs again after that." in page
    assert "This link succeeded." in page
    assert answer.headers["Location"].endswith(f"/job/{first.pk}/change/")
    states = [Job.objects.get(pk=job.pk).state for job in (first, second)]
    assert states == [State.SCHEDULED, State.BLOCKED]
    assert JobAction.objects.get().job_id == first.pk


def test_a_second_click_on_a_link_does_nothing(admin_client: Client, url: Any) -> None:
    whole, first, _second = chained()
    address = url(whole, "retry_from", member=first.pk)

    data = {"standing": standing(first)}
    _once, twice = (admin_client.post(address, data) for _ in range(2))

    assert "The job changed since you opened this page" in said(twice)
    assert JobAction.objects.count() == 1


def test_a_link_whose_successors_have_not_ended_is_not_retried(
    admin_client: Client, url: Any
) -> None:
    whole = begun_batch(kind="chain", total=2, succeeded=1)
    first = member(whole, State.SUCCEEDED)
    linked(first, member(whole, State.RUNNING))
    address = url(whole, "retry_from", member=first.pk)

    assert "has not ended" in admin_client.get(address).content.decode()
    admin_client.post(address, {"standing": standing(first)})
    assert not JobAction.objects.exists()


def test_a_nested_batch_is_a_link_too(admin_client: Client, url: Any) -> None:
    whole = begun_batch(State.FAILED, total=1, failed=1)
    inner = nested(whole, State.FAILED, total=1, failed=1)
    job = member(inner, State.FAILED)
    address = url(whole, "retry_from", member=inner.pk)

    assert address in admin_client.get(url(inner)).content.decode()
    answer = admin_client.post(address, {"standing": standing(inner)})

    assert answer.headers["Location"] == url(inner)
    assert Job.objects.get(pk=job.pk).state == State.SCHEDULED
    assert {row.state for row in Batch.objects.all()} == {State.RUNNING}


def test_strangers_to_the_batch_are_no_links(admin_client: Client, url: Any) -> None:
    whole, first, _second = chained()
    other = begun_batch(State.SUCCEEDED, total=1)
    callback = member(whole, State.SUCCEEDED, role="then", position=None)

    for row, of in ((first, other), (callback, whole), (other, whole)):
        address = url(of, "retry_from", member=row.pk)
        assert admin_client.get(address).status_code == 404


@pytest.mark.parametrize("names", [("view_batch", "view_job"), ("view_batch", "retry_batch")])
def test_a_link_needs_the_batchs_permission_and_the_jobs_sight(
    client_with: Any, url: Any, names: tuple[str, ...]
) -> None:
    whole, first, _second = chained()

    address = url(whole, "retry_from", member=first.pk)

    assert client_with(*names).get(address).status_code == 404
