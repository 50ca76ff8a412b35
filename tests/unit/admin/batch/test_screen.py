from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from celery_jobman.admin.batch.layout import REGIONS
from celery_jobman.models import Batch
from celery_jobman.models.ids import uuid7
from celery_jobman.states import FINAL, State
from tests.factories import begun_batch, finished_job, linked, member, nested

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202ered"
#: What one page may ask of the database, however many members there are.
QUERIES = 40
STATES = (State.BLOCKED, State.RUNNING, *sorted(FINAL))


def page_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def regions_of(page: str) -> list[str]:
    return re.findall(r'data-jobman-region="(\w+)"', page)


@pytest.mark.parametrize("state", STATES)
def test_a_batch_in_any_state_has_a_page(admin_client: Client, url: Any, state: State) -> None:
    page = page_of(admin_client, url(begun_batch(state, name="nightly", total=3)))

    assert "<h1>nightly</h1>" in page
    assert str(state.label) in page
    assert f'data-final="{int(state in FINAL)}"' in page


def test_the_regions_stand_in_the_order_of_the_page(admin_client: Client, url: Any) -> None:
    whole = begun_batch(
        State.FAILED, total=1, failed=1, error_message="no", callbacks='{"then": [{}]}'
    )

    shown = regions_of(page_of(admin_client, url(whole)))

    names = [region.name for region in REGIONS]
    assert shown == [name for name in names if name in shown]
    assert set(shown) == set(names) - {"history"}


def test_a_batch_without_members_says_so(admin_client: Client, url: Any) -> None:
    page = page_of(admin_client, url(begun_batch(State.SUCCEEDED)))

    assert "no members" in page
    assert "members" not in regions_of(page)


def test_the_page_has_no_inline_script_and_no_inline_style(admin_client: Client, url: Any) -> None:
    whole = begun_batch(total=2, failed=1)
    member(whole, State.FAILED)

    for name in ("change", "graph", "cancel", "retry"):
        page = page_of(admin_client, url(whole, name))
        page = page[page.index('id="content-main"') :]
        assert " style=" not in page
        assert "<style" not in page
        assert not re.search(r"\son\w+=", page)
        assert not re.search(r"<script(?![^>]*\bsrc=)", page)


def test_nothing_can_be_posted(admin_client: Client, url: Any) -> None:
    whole = begun_batch(total=1)

    assert admin_client.post(url(whole), {"state": "failed"}).status_code == 403
    assert admin_client.post(url(whole, "state")).status_code == 405
    assert admin_client.post(url(whole, "graph")).status_code == 405
    assert admin_client.post(url(whole, "graph_state")).status_code == 405


def test_unknown_hidden_and_misspelt_batches_look_the_same(client_with: Any) -> None:
    client = client_with("view_job", "cancel_batch")

    for batch_id in (begun_batch().pk, uuid7(), "nope", "a_00b", "x" * 3000):
        answer = client.get(reverse("admin:jobman_batch_change", args=[batch_id]))

        assert (answer.status_code, answer.headers["Location"]) == (302, reverse("admin:index"))
        said = {str(message) for message in get_messages(answer.wsgi_request)}
        assert said == {"There is no such batch, or you may not see it."}


def test_hostile_text_is_only_text(admin_client: Client, url: Any) -> None:
    callbacks = {"then": [{"task": HOSTILE}], HOSTILE: [{"task": "x"}]}
    whole = begun_batch(
        name=HOSTILE,
        kind="batch",
        total=2,
        failed=1,
        tags=[HOSTILE],
        error_message=HOSTILE,
        callbacks=json.dumps(callbacks),
        allow_failures="5%",
    )
    failed = member(whole, State.FAILED, task=HOSTILE, label=HOSTILE, error_message=HOSTILE)
    nested(whole, name=HOSTILE, position=1)
    member(whole, State.SUCCEEDED, role="catch", label=HOSTILE)
    Batch.objects.filter(pk=whole.pk).update(error_job_id=failed.pk)
    changelist = reverse("admin:jobman_batch_changelist")
    verbs = [url(whole, name) for name in ("cancel", "retry")]

    for address in (url(whole), url(whole, "graph"), changelist, *verbs):
        page = page_of(admin_client, address)
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert "\x1b" not in page
        assert "\u202e" not in page


def test_whoever_may_only_view_sees_no_errors_and_no_jobs(client_with: Any, url: Any) -> None:
    whole = begun_batch(State.FAILED, total=1, failed=1, error_message="row 12 is bad")
    job = member(whole, State.FAILED, task="secret.task", error_message="row 12 is bad")
    Batch.objects.filter(pk=whole.pk).update(error_job_id=job.pk)

    page = page_of(client_with("view_batch"), url(whole))

    assert "row 12 is bad" not in page
    assert "(hidden)" in page
    assert "secret.task" not in page
    assert "You may not see jobs." in page


def test_jobs_are_seen_with_their_own_permission(client_with: Any, url: Any) -> None:
    whole = begun_batch(State.FAILED, total=1, failed=1, error_message="row 12 is bad")
    member(whole, State.FAILED, task="secret.task", error_message="row 12 is bad")

    page = page_of(client_with("view_batch", "view_job"), url(whole))

    assert "secret.task" in page
    assert "row 12 is bad" not in page


def test_the_projects_rule_is_asked_of_batches_and_of_their_members(
    admin_client: Client, url: Any, settings: Any
) -> None:
    settings.JOBMAN = {"CAN": f"{__name__}.no_secrets"}
    whole = begun_batch(name="known", total=2)
    member(whole, task="secret.job")
    hidden = nested(whole, name="secret", position=1)

    assert "secret" not in page_of(admin_client, url(whole))
    assert "secret" not in page_of(admin_client, url(whole, "graph"))
    assert admin_client.get(url(hidden)).status_code == 302
    assert admin_client.get(url(hidden, "state")).status_code == 404


def no_secrets(user: Any, deed: str, row: Any) -> bool | None:  # noqa: ARG001
    name = row.name if isinstance(row, Batch) else row.task
    return False if deed in {"view", "view-batch"} and name.startswith("secret") else None


def test_a_nested_batch_leads_to_what_it_is_part_of(admin_client: Client, url: Any) -> None:
    root = begun_batch(name="the whole", total=1)
    middle = nested(root, name="the middle", total=1)
    inner = nested(middle, name="the inner", total=1)

    page = page_of(admin_client, url(inner))

    crumbs = page[page.index("breadcrumbs") : page.index("<h1")]
    names = re.findall("the whole|the middle|the inner", crumbs)
    assert names == ["the whole", "the middle", "the inner"]
    for row in (root, middle):
        assert f'href="{url(row)}"' in page


def test_a_link_tells_its_neighbours(admin_client: Client, url: Any) -> None:
    whole = begun_batch(kind="chain", total=3)
    before, after = member(whole, task="demo.before"), member(whole, task="demo.after")
    link = nested(whole)
    linked(before, link, after)

    page = page_of(admin_client, url(link))

    assert re.search(r"<dt>After</dt><dd><a [^>]*>demo.before", page)
    assert re.search(r"<dt>Before</dt><dd><a [^>]*>demo.after", page)


def test_callbacks_are_told_apart_from_members(admin_client: Client, url: Any) -> None:
    callbacks = json.dumps({"then": [{"task": "demo.then"}], "finally": [{"task": "demo.last"}]})
    whole = begun_batch(State.FAILED, total=1, failed=1, callbacks=callbacks)
    member(whole, State.FAILED, task="demo.one")
    sent = member(whole, State.SUCCEEDED, task="demo.last", role="finally", position=None)

    page = page_of(admin_client, url(whole))
    parts = dict(re.findall(r'data-jobman-region="(\w+)"[^>]*>(.*?)</section>', page, re.DOTALL))

    assert "demo.then" in parts["callbacks"]
    assert "not sent" in parts["callbacks"]
    assert str(sent.pk) in parts["callbacks"]
    assert "demo.last" not in parts["members"]
    assert "demo.one" in parts["members"]


def test_the_page_costs_the_same_however_many_members_there_are(
    admin_client: Client, url: Any, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    def cost(count: int) -> int:
        whole = begun_batch(total=count * 3, failed=count, succeeded=count)
        for position in range(count):
            for state in (State.FAILED, State.SUCCEEDED, State.QUEUED):
                member(whole, state, position=position)
        with django_assert_max_num_queries(QUERIES) as queries:
            admin_client.get(url(whole) + "?show=all")
        return len(queries.captured_queries)

    cost(1)

    assert cost(1) == cost(40)


def test_a_project_hides_batches_by_its_own_queryset(
    admin_client: Client, url: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from celery_jobman.admin.batches import BatchAdmin  # noqa: PLC0415 - registered by then

    full = BatchAdmin.get_queryset
    monkeypatch.setattr(
        BatchAdmin, "get_queryset", lambda self, request: full(self, request).exclude(name="theirs")
    )
    theirs = begun_batch(name="theirs", total=1)

    assert admin_client.get(url(theirs)).status_code == 302
    for name in ("state", "cancel", "retry", "graph_state"):
        assert admin_client.get(url(theirs, name)).status_code == 404
    assert "theirs" not in page_of(admin_client, reverse("admin:jobman_batch_changelist"))


def test_a_job_outside_of_any_batch_has_no_workflow(admin_client: Client) -> None:
    address = reverse("admin:jobman_job_change", args=[finished_job().pk])

    assert "flow" not in regions_of(page_of(admin_client, address))
