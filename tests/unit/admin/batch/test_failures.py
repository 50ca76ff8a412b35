from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from celery_jobman.admin.batch.failures import SHORT, First, failures
from celery_jobman.admin.batch.sight import Jobs
from celery_jobman.insight import failures as insight
from celery_jobman.models import Batch, Job
from celery_jobman.states import State
from tests.factories import batch, begun_batch, member, nested

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db

#: What the region asks of the database, besides what the user may.
QUERIES = 2


def failed(whole: Batch, error: str, count: int = 1, **fields: Any) -> list[Job]:
    """Make members that failed alike."""
    name, _colon, message = error.partition(": ")
    told = {"error_class": f"shop.{name}", "error_message": message, "fingerprint": name.lower()}
    return [member(whole, State.FAILED, **{**told, **fields}) for _ in range(count)]


def note_first(whole: Batch, job: Job, message: str = "") -> None:
    told = {"error_job_id": job.pk, "error_message": message or job.error_message}
    Batch.objects.filter(pk=whole.pk).update(**told)


def two_groups() -> tuple[Batch, list[Job]]:
    """Return a batch whose first failure is the rarer one."""
    whole = begun_batch(total=9, failed=4)
    jobs = [*failed(whole, "Rare: lost"), *failed(whole, "Often: bad row", 3)]
    note_first(whole, jobs[0])
    return whole, jobs


def part_of(client: Client, address: str) -> str:
    """Return the region as the page shows it; empty when it does not."""
    page = client.get(address).content.decode()
    found = re.search(r'data-jobman-region="failures"[^>]*>(.*?)</section>', page, re.DOTALL)
    return found[1] if found else ""


def text_of(client: Client, address: str) -> str:
    return " ".join(unescape(re.sub("<[^>]+>", " ", part_of(client, address))).split())


def listed(client: Client, address: str) -> set[str]:
    """Return the ids of the jobs that a list shows."""
    page = client.get(address).content.decode()
    return set(re.findall(r'name="_selected_action" value="([0-9a-f-]{36})"', page))


def test_groups_are_told_with_numbers_and_the_first_failure(admin_client: Client, url: Any) -> None:
    whole, _jobs = two_groups()

    assert text_of(admin_client, url(whole)) == (
        "Failures 2 groups"
        " Often: bad row 3 jobs · For example: demo.add"
        " Rare: lost 1 job · First failure: demo.add"
    )


def test_a_single_group_is_the_first_failure_and_its_number(
    admin_client: Client, url: Any, seen_by: Any
) -> None:
    whole = begun_batch(State.FAILED, total=31, failed=31)
    jobs = failed(whole, "Bad: row 12 is bad", 31)
    note_first(whole, jobs[3])

    text = text_of(admin_client, url(whole))

    assert text == "Failures 1 group Bad: row 12 is bad 31 jobs · First failure: demo.add"
    (entry,) = failures(seen_by(whole))["entries"]
    assert str(jobs[3].pk) in entry.example.href


def test_a_group_leads_to_the_list_of_exactly_its_jobs(admin_client: Client, seen_by: Any) -> None:
    whole, jobs = two_groups()
    failed(begun_batch(total=1, failed=1), "Often: elsewhere")
    failed(whole, "Often: a callback", role="finally")
    nameless = failed(whole, "Lost", 2, fingerprint="")
    member(whole, State.CANCELLED, fingerprint="often")

    entries = failures(seen_by(whole))["entries"]

    shown = [listed(admin_client, entry.href) for entry in entries]
    assert shown == [{str(job.pk) for job in each} for each in (jobs[1:], nameless, jobs[:1])]


def test_the_list_says_what_it_was_narrowed_to(admin_client: Client, seen_by: Any) -> None:
    whole, _jobs = two_groups()

    page = admin_client.get(failures(seen_by(whole))["entries"][0].href).content.decode()

    assert f'value="batch:{whole.pk} fingerprint:often"' in page
    assert re.search(r"state__exact=failed[^>]*aria-current=\"page\"", page)


def test_five_groups_are_told_and_the_others_are_counted(admin_client: Client, url: Any) -> None:
    whole = begun_batch(total=10, failed=8)
    for number in range(8):
        failed(whole, f"Error{number}: no")

    text = text_of(admin_client, url(whole))

    assert text.startswith("Failures 8 groups Error0: no")
    assert text.count("For example:") == 5
    assert text.endswith("and 3 other errors")


def test_it_says_when_not_all_failures_were_looked_at(
    admin_client: Client, url: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insight, "REACH", 3)
    whole, _jobs = two_groups()

    text = text_of(admin_client, url(whole))

    assert "Often: bad row 2 jobs" in text
    assert text.endswith("Counted among the first 3 failed members.")


@pytest.mark.parametrize("state", State)
def test_without_a_failure_nothing_is_said_and_nothing_asked(
    seen_by: Any, django_assert_num_queries: DjangoAssertNumQueries, state: State
) -> None:
    whole = begun_batch(total=1)
    member(whole, state, error_message="of an earlier attempt")
    subject = seen_by(whole)

    with django_assert_num_queries(0):
        assert failures(subject) == {}


def test_any_number_of_failures_costs_the_same(
    seen_by: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for count in (1, 30):
        whole = begun_batch(total=count * 7, failed=count * 7)
        jobs = [job for number in range(7) for job in failed(whole, f"Error{number}: no", count)]
        note_first(whole, jobs[-1])
        subject = seen_by(whole)
        assert subject.jobs.rows is not None  # what the user may is read once
        with django_assert_num_queries(QUERIES):
            failures(subject)


def test_a_first_failure_that_is_in_no_group_stands_alone(admin_client: Client, url: Any) -> None:
    whole, jobs = two_groups()
    inner = nested(whole, State.FAILED, total=1, failed=1)
    (deep,) = failed(inner, "Often: deep inside", task="demo.deep")
    note_first(whole, deep)

    text = text_of(admin_client, url(whole))

    assert text.startswith("Failures 2 groups deep inside First failure: demo.deep Often: bad row")
    assert text.count("First failure:") == 1
    assert str(jobs[0].pk) in part_of(admin_client, url(whole))


def test_where_only_batches_inside_failed_the_first_failure_is_told(
    admin_client: Client, url: Any
) -> None:
    whole = begun_batch(State.FAILED, total=1, failed=1)
    inner = nested(whole, State.FAILED, total=1, failed=1)
    (deep,) = failed(inner, "Bad: deep inside", task="demo.deep")
    note_first(whole, deep)

    assert text_of(admin_client, url(whole)) == "First failure deep inside Job: demo.deep"


def test_an_error_of_the_batch_itself_is_told(admin_client: Client, url: Any) -> None:
    whole = batch(State.FAILED, error_message="its members cannot be read")

    assert text_of(admin_client, url(whole)) == "First failure its members cannot be read"


def test_an_error_of_the_batch_beside_those_of_its_members_has_its_name(
    admin_client: Client, url: Any
) -> None:
    whole = begun_batch(total=1, failed=1, error_message="its members cannot be read")
    failed(whole, "Bad: row")

    assert text_of(admin_client, url(whole)) == (
        "Failures 1 group its members cannot be read First failure"
        " Bad: row 1 job · For example: demo.add"
    )


def test_errors_are_cut_and_are_one_line(seen_by: Any) -> None:
    whole = begun_batch(total=1, failed=1)
    failed(whole, "Bad: one\ntwo " + "x" * 5_000)

    (entry,) = failures(seen_by(whole))["entries"]

    assert entry.error.startswith("Bad: one two xxx")
    assert len(entry.error) == SHORT
    assert entry.error.endswith("…")


def test_members_of_which_no_error_was_kept_are_told(seen_by: Any) -> None:
    whole = begun_batch(total=1, failed=1)
    member(whole, State.FAILED)

    (entry,) = failures(seen_by(whole))["entries"]

    assert entry.error == "No error was kept."


@pytest.mark.parametrize("names", [("view_batch",), ("view_batch", "view_job")])
def test_whoever_may_not_read_errors_sees_no_groups(
    client_with: Any, url: Any, names: tuple[str, ...]
) -> None:
    whole, _jobs = two_groups()

    text = text_of(client_with(*names), url(whole))

    assert text == f"First failure (hidden){' Job: demo.add' if 'view_job' in names else ''}"


def test_whoever_may_not_see_jobs_sees_no_groups(client_with: Any, url: Any) -> None:
    whole, _jobs = two_groups()

    text = text_of(client_with("view_batch", "view_job_log"), url(whole))

    assert text == "First failure (hidden)"


def test_jobs_that_the_project_hides_are_not_counted(
    admin_client: Client, url: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from celery_jobman.admin.jobs import JobAdmin  # noqa: PLC0415 - registered by then

    whole, jobs = two_groups()
    full = JobAdmin.get_queryset
    monkeypatch.setattr(
        JobAdmin,
        "get_queryset",
        lambda self, request: full(self, request).exclude(pk__in=[job.pk for job in jobs[:2]]),
    )

    assert "Often: bad row 2 jobs" in text_of(admin_client, url(whole))
    assert "Rare" not in text_of(admin_client, url(whole))


def test_the_projects_rule_is_asked_of_what_is_told(
    admin_client: Client, url: Any, settings: Any
) -> None:
    settings.JOBMAN = {"CAN": f"{__name__}.no_secrets"}
    whole = begun_batch(total=4, failed=4)
    hidden = failed(whole, "Secret: plan", task="secret.job")
    failed(whole, "Often: secret", task="secret.job")
    shown = failed(whole, "Often: bad row", 2)
    note_first(whole, hidden[0])

    part, text = part_of(admin_client, url(whole)), text_of(admin_client, url(whole))

    assert text == ("Failures 1 group Often: bad row 3 jobs · For example: demo.add")
    assert str(shown[0].pk) in part
    assert "secret" not in part.lower()


def test_a_first_failure_that_is_hidden_or_gone(
    admin_client: Client, url: Any, settings: Any
) -> None:
    whole = begun_batch(total=1, failed=1)
    (job,) = failed(whole, "Secret: plan", task="secret.job")
    note_first(whole, job)

    settings.JOBMAN = {"CAN": f"{__name__}.no_secrets"}
    assert text_of(admin_client, url(whole)) == "First failure (hidden)"

    job.delete()
    assert text_of(admin_client, url(whole)) == "First failure plan"


def test_on_a_site_without_jobs_only_the_batch_speaks(seen_by: Any, admin_user: Any) -> None:
    whole, _jobs = two_groups()
    subject = seen_by(whole, user=admin_user)
    vars(subject)["jobs"] = Jobs(subject.request, None, lambda _job_id: "")

    assert failures(subject) == {"first": First(None, "lost")}


def test_a_rule_may_hide_errors_and_not_jobs(admin_client: Client, url: Any, settings: Any) -> None:
    settings.JOBMAN = {"CAN": f"{__name__}.no_logs"}
    whole, _jobs = two_groups()

    text = text_of(admin_client, url(whole))

    assert text == "First failure (hidden) Job: demo.add"


def no_secrets(user: Any, deed: str, row: Any) -> bool | None:  # noqa: ARG001
    return False if isinstance(row, Job) and row.task == "secret.job" else None


def no_logs(user: Any, deed: str, row: Any) -> bool | None:  # noqa: ARG001
    return False if deed == "view-log" else None


def test_hostile_errors_are_only_text(admin_client: Client, url: Any) -> None:
    whole = begun_batch(total=1, failed=1)
    failed(whole, "Bad: <b>1</b>\x1b\u202e", fingerprint='"><script>&')

    part = part_of(admin_client, url(whole))

    assert "&lt;b&gt;1&lt;/b&gt;" in part
    for forbidden in ("<b>", "<script>", "\x1b", "\u202e"):
        assert forbidden not in part


def test_a_failure_more_is_seen_while_the_page_is_open(admin_client: Client, url: Any) -> None:
    whole, _jobs = two_groups()
    state = url(whole, "state")
    held = {
        name: part["version"] for name, part in admin_client.get(state).json()["regions"].items()
    }

    failed(whole, "Often: bad row")
    changed = admin_client.get(state, held).json()["regions"]

    assert "4 jobs" in changed["failures"]["html"]
    assert reverse("admin:jobman_job_changelist") in changed["failures"]["html"]
