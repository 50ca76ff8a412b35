from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connection
from django.urls import reverse

from celery_jobman.admin.access import Deed
from celery_jobman.admin.jobs import JobAdmin
from celery_jobman.admin.listing import asides
from celery_jobman.models import Job
from tests.factories import finished_job, queued_job

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db

LIST = "admin:jobman_job_changelist"


def body(client: Client, **query: Any) -> str:
    return client.get(reverse(LIST), query).content.decode()


def link(job: Job, words: str) -> str:
    address = reverse("admin:jobman_job_change", args=[job.pk])
    return f'<a href="{address}">{words} …{str(job.pk)[-8:]}</a>'


def test_origin_and_forks_name_each_other(admin_client: Client) -> None:
    origin = finished_job()
    fork = queued_job(retry_of=origin.pk)

    text = body(admin_client)

    assert link(origin, "retry of") in text
    assert link(fork, "retried as") in text


def test_a_job_that_was_replaced_says_by_which(admin_client: Client) -> None:
    other = queued_job()
    finished_job(replaced_by=other.pk)

    assert link(other, "replaced by") in body(admin_client)


def test_a_fork_that_stands_for_its_origin_is_named_once(admin_client: Client) -> None:
    origin = finished_job()
    fork = queued_job(retry_of=origin.pk)
    Job.objects.filter(pk=origin.pk).update(replaced_by=fork.pk)

    text = body(admin_client)

    assert link(fork, "retried as") in text
    assert "replaced by" not in text


def test_of_many_forks_the_newest_are_named(admin_client: Client) -> None:
    origin = finished_job()
    forks = [queued_job(retry_of=origin.pk) for _ in range(5)]

    text = body(admin_client, state="failed")

    assert [link(fork, "retried as") in text for fork in forks] == [False, False, True, True, True]
    assert "and 2 more" in text


def test_forks_that_the_rule_denies_are_left_out(admin_client: Client) -> None:
    fork = queued_job(retry_of=finished_job().pk, task="secret")

    def rule(user: Any, deed: str, job: Job) -> bool:  # noqa: ARG001
        return deed != Deed.VIEW or job.task != "secret"

    with mock.patch("celery_jobman.admin.access._rule", return_value=rule):
        assert str(fork.pk) not in body(admin_client)


def test_forks_of_a_page_are_one_statement(
    rf: Any, admin_user: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    jobs = [finished_job() for _ in range(3)]
    forks = [queued_job(retry_of=job.pk) for job in jobs]
    request = rf.get("/")
    request.user = admin_user

    with django_assert_num_queries(1):
        found = asides.forks_of(admin.site._registry[Job], request, jobs)

    assert found == {job.pk: [fork.pk] for job, fork in zip(jobs, forks, strict=True)}


def test_tags_are_links_to_the_jobs_that_have_them(admin_client: Client) -> None:
    job = queued_job(tags=["nightly", "two words", "<b>", 'a"b', "fourth"])
    queued_job()

    text = body(admin_client)
    found = admin_client.get(reverse(LIST) + "?q=tag%3A%22two+words%22").context["cl"].result_list

    assert '<a href="?q=tag%3A%22nightly%22">nightly</a>' in text
    assert 'href="?q=tag%3A%22two+words%22"' in text
    assert "&lt;b&gt;</a>…" in text
    assert list(found) == [job]


@pytest.mark.parametrize("tags", ["nightly", {"a": 1}, None, [1, None], [["a"]]])
def test_tags_that_are_none_are_not_shown(tags: object) -> None:
    assert asides.tags_of(Job(tags=tags)) == []


@pytest.mark.parametrize("tag", ['a"b', " ", "a\nb", "\x1b[31m", "\u202eturned"])
def test_a_tag_that_a_search_cannot_name_is_no_link(tag: str) -> None:
    drawn = asides.drawn(tag)

    assert "<a" not in drawn
    assert "\x1b" not in drawn


class Wide(JobAdmin):
    """Every column that there is."""

    list_display = [*JobAdmin.list_display, "owner_name", "tag_list", "created", "finished"]


def test_a_project_may_show_more_columns(admin_client: Client) -> None:
    ann = get_user_model().objects.create_user("ann")
    finished_job(owner=ann, tags=["a", "b", "c", "d"])
    queued_job()

    with mock.patch.object(admin.site._registry[Job], "list_display", Wide.list_display):
        text = body(admin_client)

    assert 'data-cell="owner_name"' in text
    assert '<div class="jm-cell">ann</div>' in text
    assert 'data-cell="created"' in text
    assert 'data-cell="finished"' in text
    assert ">d</a>" in text


def test_an_index_leads_to_forks_and_children() -> None:
    ids = [queued_job().pk]

    plans = {
        "jobman_job_fork_idx": plan(Job.objects.filter(retry_of__in=ids).order_by()),
        "jobman_job_child_idx": plan(Job.objects.filter(parent_id__in=ids).order_by()),
    }

    assert [name for name, text in plans.items() if name not in text] == []


def plan(queryset: QuerySet[Any]) -> str:
    """Return how the database would read a table that is too long to be read whole."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    return queryset.explain()
