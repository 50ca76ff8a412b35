"""batch list, batch show, batch cancel, batch retry, and what other verbs say of batches."""

from __future__ import annotations

import sys
from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from celery_jobman import batch, chain, group
from celery_jobman.models import Batch, Job, JobAction
from celery_jobman.states import State
from celery_jobman.testing import run_jobs
from tests import factories, workflows
from tests.workflows import broken, deed, note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from tests.integration.management.conftest import Command

pytestmark = pytest.mark.django_db

#: How the line about a retry ends, if the batch has such callbacks.
AGAIN = "; when it finishes, runs then, finally again"


@pytest.fixture(autouse=True)
def _nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO())


@pytest.fixture(autouse=True)
def _unbroken() -> Iterator[None]:
    workflows.trace.clear()
    broken.clear()
    yield
    broken.clear()


def job(name: str) -> Job:
    """Return the job that does a deed."""
    return next(job for job in Job.objects.all() if job.arguments[0][-1:] == [name])


def run(flow: Any) -> UUID:
    live = flow.dispatch()
    run_jobs()
    batch_id: UUID = live.id
    return batch_id


@pytest.fixture
def failed() -> UUID:
    """A batch of which one chain broke, with callbacks."""
    broken.add("b")
    flow = batch([deed.s("a"), [deed.s("b"), deed.s("c")]], name="mail", on_failure="continue")
    flow = flow.then(note.s("then")).finally_(note.s("finally"))
    return run(flow)


class TestList:
    def test_workflows_are_listed_the_newest_first(self, jobman: Command, failed: UUID) -> None:
        newer = chain(deed.s("a"), group(deed.s("b"), deed.s("c"))).dispatch().id

        first, second, total = jobman("batch", "list").lines

        assert first.split() == [
            *(str(newer), "running", "just", "now", "0%", "chain:"),
            *("2", "members,", "2", "pending"),
        ]
        assert second.startswith(f"{failed}  failed ")
        assert second.endswith("100%  batch mail: 3 members, 1 succeeded, 1 failed, 1 skipped")
        assert total == "2 workflows"

    def test_the_list_can_be_narrowed(self, jobman: Command, failed: UUID) -> None:
        owner = User.objects.create(username="ada")
        owned = group(deed.s("a"), owner=owner, name="Mail to all").dispatch().id

        def listed(*options: str) -> list[str]:
            return [fact["id"] for fact in jobman("batch", "list", *options, "--json").facts[:-1]]

        assert listed("--state", "failed", "--state", "succeeded") == [str(failed)]
        assert listed("--kind", "group") == [str(owned)]
        assert listed("--name", "mail") == [str(owned), str(failed)]
        assert listed("--owner", "ada") == [str(owned)]
        assert jobman("batch", "list", "--kind", "chord").lines == ["0 workflows"]

    def test_it_says_when_there_are_more(self, jobman: Command) -> None:
        for _ in range(3):
            batch().dispatch()

        assert jobman("batch", "list", "--limit", 2).lines[-1] == (
            "2 workflows; there are more, see --limit"
        )
        assert jobman("batch", "--json", "list").facts[-1] == {"total": 3, "more": False}

    @pytest.mark.parametrize(
        ("words", "complaint"),
        [
            (["list", "--owner", "nobody"], "there is no user 'nobody'"),
            (["list", "--state", "queued"], "invalid choice: 'queued'"),
            (["list", "--kind", "heap"], "invalid choice: 'heap'"),
            (["frobnicate"], "invalid choice: 'frobnicate'"),
            ([], "the following arguments are required: verb"),
        ],
    )
    def test_what_it_cannot_read_is_refused(
        self, jobman: Command, words: list[str], complaint: str
    ) -> None:
        assert complaint in jobman.refused("batch", *words).error


class TestShow:
    def test_it_tells_what_an_operator_needs(self, jobman: Command, failed: UUID) -> None:
        lines = [line.split(maxsplit=1) for line in jobman("batch", "show", failed).lines]
        facts: dict[str, list[str]] = {}
        for name, text in lines:
            facts.setdefault(name, []).append(text)

        assert facts[str(failed)] == ["failed"]
        why = f"Members failed: 1 of 3, the first: workflows.deed ({job('b').id}): b is broken"
        assert facts["why"][0].endswith(why)
        assert facts["counts"] == ["3 members, 1 succeeded, 1 failed, 1 skipped"]
        assert facts["jobs"] == ["1 succeeded, 1 failed, 1 skipped"]
        assert facts["failures"] == ["none allowed; the first too many does not stop the others"]
        then, last = facts["callback"]
        assert then == "then  not run  workflows.note"
        assert last.startswith(f"finally  {job('finally').id}  succeeded  workflows.note")
        assert facts["failed"][0].startswith(f"{job('b').id}  workflows.deed")
        assert facts["failed"][0].endswith("ValueError: b is broken")
        assert facts["errors"] == [f"1 job like {job('b').id}: ValueError: b is broken"]
        assert facts["retry"] == [
            f"runs 1 job again; then 1 after them; keeps 1 as they are{AGAIN}"
        ]

    def test_programs_are_told_the_same(self, jobman: Command, failed: UUID) -> None:
        facts = jobman("batch", "show", str(failed)[:20], "--json").facts

        assert [fact["fact"] for fact in facts] == [
            *("batch", "callback", "callback", "error", "failed", "retry"),
        ]
        assert facts[0]["members"] == {"succeeded": 1, "failed": 1, "skipped": 1}
        assert (facts[0]["name"], facts[0]["state"], facts[0]["total"]) == ("mail", "failed", 3)
        assert facts[-1]["again"] == 1

    def test_members_that_failed_alike_are_told_as_a_group(self, jobman: Command) -> None:
        broken.update("ab")
        whole = run(batch([deed.s(name) for name in "abc"], allow_failures=True))
        other = factories.finished_job(
            batch_id=whole, error_class="shop.Lost", error_message="x\ny", fingerprint="f"
        )

        lines = [line for line in jobman("batch", "show", whole).lines if "errors " in line]
        facts = jobman("batch", "show", whole, "--json").facts

        assert lines == [
            f"errors      2 jobs like {job('a').id}: ValueError: a is broken",
            f"errors      1 job like {other.id}: Lost: x y",
        ]
        first, second = (fact for fact in facts if fact["fact"] == "error")
        assert (first["count"], first["id"]) == (2, str(job("a").id))
        assert first["fingerprint"] == job("a").fingerprint
        assert (second["error_class"], second["error_message"]) == ("shop.Lost", "x\ny")

    def test_of_many_groups_and_failures_some_are_told(
        self, jobman: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("celery_jobman.insight.failures.REACH", 7)
        whole = factories.batch(State.FAILED, failed=9)
        for number in range(9):
            factories.finished_job(batch_id=whole.id, fingerprint=f"{number}")

        lines = [line for line in jobman("batch", "show", whole.id).lines if "errors " in line]
        facts = jobman("batch", "show", whole.id, "--json").facts

        assert len(lines) == 7
        assert lines[-2:] == [
            "errors      2 other errors",
            "errors      counted among the first 7 failed members",
        ]
        assert {"fact": "more errors", "count": 2} in facts
        assert {"fact": "errors cut", "looked_at": 7} in facts

    def test_a_batch_inside_another_names_it_and_what_it_waits_for(self, jobman: Command) -> None:
        flow = chain(deed.s("a"), group(deed.s("b"), deed.s("c"), name="middle"), deed.s("d"))
        outer = flow.dispatch().id
        inner = Batch.objects.get(name="middle")

        text = jobman("batch", "show", inner.id).text

        assert f"why         It waits for workflows.deed ({job('a').id}, scheduled)." in text
        assert f"inside      chain ({outer}, pending: 3 of 3)" in text
        assert f"link before workflows.deed ({job('a').id}, scheduled)" in text
        assert f"link after  workflows.deed ({job('d').id}, blocked)" in text
        nested = f"batch       {inner.id}  blocked      0%  group middle: 2 members, 2 pending"
        assert nested in jobman("batch", "show", outer).text

    def test_of_many_failures_and_batches_the_first_are_shown(
        self, jobman: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("celery_jobman.management.subcommands.batches.show.SHOWN", 1)
        broken.update("ab")
        flow = batch(
            [deed.s("a"), deed.s("b"), *[group(deed.s(name)) for name in "cdab"]],
            allow_failures=True,
        )

        text = jobman("batch", "show", run(flow)).text

        assert "failures    all are allowed" in text
        assert text.count("\nfailed      ") == 2
        assert "failed      1 more: jobman list --batch" in text
        assert "batch       1 more\n" in text
        assert "batch       2 more batches inside succeeded" in text

    def test_of_very_many_failures_no_retry_is_planned(
        self, jobman: Command, failed: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("celery_jobman.management.subcommands.batches.show.PLANNED", 0)

        line = jobman("batch", "show", failed).lines[-1]

        hint = f"jobman batch retry {failed} --dry-run"
        assert line == f"retry       many members failed: {hint}"

    def test_a_cancelled_batch_can_be_run_again_as_a_whole(self, jobman: Command) -> None:
        row = factories.batch(State.CANCELLED, cancelled=1)
        factories.finished_job(State.CANCELLED, batch_id=row.id)

        assert jobman("batch", "show", row.id).lines[-1] == (
            "retry       --scope all runs 1 job again; keeps 0 as they are"
        )

    def test_a_skipped_batch_names_what_must_be_retried(self, jobman: Command) -> None:
        broken.add("a")
        whole = run(chain(deed.s("a"), group(deed.s("b"))))
        skipped = Batch.objects.get(batch_id=whole)

        line = jobman("batch", "show", skipped.id).lines[-1]

        assert line.endswith(f"it follows {job('a').id}, which is failed: retry that one")

    def test_a_success_offers_no_retry(self, jobman: Command) -> None:
        whole = run(batch([deed.s("a")]))

        text = jobman("batch", "show", whole).text
        assert "\nretry " not in text
        assert "\nerrors " not in text

    def test_what_people_did_is_shown(self, jobman: Command) -> None:
        live = batch([deed.s("a")]).dispatch()
        live.cancel(actor="ann", reason="wrong list")

        text = jobman("batch", "show", live.id).text

        assert "action      cancel batch by ann just now: wrong list" in text

    @pytest.mark.parametrize("verb", ["show", "cancel", "retry"])
    def test_an_unknown_batch_is_refused(self, jobman: Command, verb: str) -> None:
        answer = jobman.refused("batch", verb, "01a205ff-0000")

        assert answer.error.startswith("there is no batch 01a205ff-0000")
        assert answer.status == 1


class TestCancel:
    def test_waiting_members_are_cancelled(self, jobman: Command) -> None:
        live = chain(deed.s("a"), deed.s("b")).dispatch()

        answer = jobman("batch", "cancel", live.id, "--yes", "--reason", "wrong list")

        assert answer.lines[-1] == "1 batch cancelled"
        assert Batch.objects.get().cancel_requested_at is not None
        action = JobAction.objects.get(job_id=live.id)
        assert (action.verb, action.reason) == ("cancel batch", "wrong list")

    def test_it_can_be_tried_dry(self, jobman: Command) -> None:
        live = chain(deed.s("a"), group(deed.s("b"))).dispatch()

        answer = jobman("batch", "cancel", live.id, "--dry-run")

        assert answer.lines == [
            f"{live.id}  would cancel 2 jobs and ask 0 to stop",
            "1 batch would be cancelled",
        ]
        assert Batch.objects.get(pk=live.id).cancel_requested_at is None

    def test_it_asks_first(self, jobman: Command) -> None:
        live = batch([deed.s("a")]).dispatch()

        answer = jobman.refused("batch", "cancel", live.id)

        assert answer.error.startswith(f"Cancel 1 job of batch {live.id}?")
        assert Batch.objects.get().cancel_requested_at is None

    @pytest.mark.parametrize("how", ["--yes", "--dry-run"])
    def test_what_has_ended_is_refused(self, jobman: Command, failed: UUID, how: str) -> None:
        answer = jobman.refused("batch", "cancel", failed, how)

        assert "is failed and cannot be cancelled; it has ended" in answer.error
        assert answer.status == 1


class TestRetry:
    def test_what_failed_runs_again_and_what_was_skipped_goes_on(
        self, jobman: Command, failed: UUID
    ) -> None:
        broken.clear()

        answer = jobman("batch", "retry", failed, "--reason", "mended")
        run_jobs()

        assert answer.lines == [
            f"{failed}  running    runs 1 job again; then 1 after them; keeps 1 as they are{AGAIN}",
            "2 jobs retried",
        ]
        assert Batch.objects.get().state == "succeeded"
        assert JobAction.objects.get(job_id=failed).reason == "mended"

    def test_it_can_be_tried_dry(self, jobman: Command, failed: UUID) -> None:
        answer = jobman("batch", "retry", failed, "--scope", "all", "--dry-run")

        assert answer.lines[0].endswith("  workflows.deed")
        assert answer.lines[2:] == [
            f"{failed}  runs 2 jobs again; then 1 after them; keeps 0 as they are{AGAIN}",
            "3 jobs would be retried",
        ]
        assert Batch.objects.get().state == "failed"

    def test_what_succeeded_runs_again_only_when_that_is_confirmed(
        self, jobman: Command, failed: UUID
    ) -> None:
        answer = jobman.refused("batch", "retry", failed, "--scope", "all")
        assert answer.error.startswith(f"Run 3 jobs of {failed} again, also what succeeded?")

        jobman("batch", "retry", failed, "--scope", "all", "--yes")
        assert Batch.objects.get().pending == 3

    def test_from_a_member(self, jobman: Command) -> None:
        flow = chain(deed.s("a"), group(deed.s("b"), name="middle"), deed.s("c"))
        whole = run(flow)
        middle = Batch.objects.get(name="middle")

        preview = jobman("batch", "retry", whole, "--from", middle.id, "--dry-run", "--json").facts
        jobman("batch", "retry", whole, "--from", job("b").id, "--yes")

        assert [fact.get("id") for fact in preview] == [str(job("b").id), str(whole), None]
        assert (preview[1]["again"], preview[1]["waiting"], preview[1]["reused"]) == (1, 1, 1)
        assert (job("a").state, job("b").state, job("c").state) == (
            *("succeeded", "scheduled", "blocked"),
        )

    def test_a_member_of_another_workflow_is_refused(self, jobman: Command, failed: UUID) -> None:
        other = run(batch([deed.s("z")]))

        answer = jobman.refused("batch", "retry", other, "--from", job("b").id, "--yes")

        assert answer.error == f"{job('b').id} is no member of the workflow of batch {other}"
        assert Batch.objects.get(pk=failed).state == "failed"

    @pytest.mark.parametrize("member", ["01a205ff-0000", "nonsense"])
    def test_an_unknown_member_is_refused(self, jobman: Command, failed: UUID, member: str) -> None:
        answer = jobman.refused("batch", "retry", failed, "--from", member)

        assert answer.error.startswith(f"there is no job {member}")

    def test_nothing_to_retry_is_refused(self, jobman: Command) -> None:
        whole = run(batch([deed.s("a")]))

        answer = jobman.refused("batch", "retry", whole)

        assert "none of its members has failed" in answer.error
        assert answer.status == 1

    def test_a_scope_and_a_member_are_wrong_usage(self, jobman: Command, failed: UUID) -> None:
        words = ("--scope", "all", "--from", job("a").id)

        assert "not allowed with" in jobman.refused("batch", "retry", failed, *words).error


class TestJobs:
    def test_show_names_the_batch_and_the_links_around(self, jobman: Command) -> None:
        live = chain(deed.s("a"), deed.s("b").set(allow_failure=True), name="two").dispatch()

        text = jobman("show", job("b").id).text

        assert f"batch       two ({live.id}, pending: 2 of 2)" in text
        assert f"link before workflows.deed ({job('a').id}, scheduled)" in text
        assert "failure     is allowed" in text

    def test_show_says_of_which_batch_a_job_is_a_callback(
        self, jobman: Command, failed: UUID
    ) -> None:
        text = jobman("show", job("finally").id).text

        assert f"batch       finally callback of mail ({failed}, failed)" in text

    def test_list_shows_the_jobs_of_a_batch(self, jobman: Command, failed: UUID) -> None:
        inner = group(deed.s("x"), name="inner")
        outer = batch([deed.s("y"), inner]).dispatch().id
        inner_id = Batch.objects.get(name="inner").id

        assert len(jobman("list", "--batch", failed).lines) == 5
        assert len(jobman("list", "--batch", outer).lines) == 3
        assert jobman("list", "--batch", inner_id).lines[0].startswith(str(job("x").id))
        assert jobman("list", "--batch", failed, "--state", "failed").lines[-1] == "1 job"


class TestDeleting:
    def test_prune_takes_whole_workflows_and_can_be_tried_dry(
        self, jobman: Command, failed: UUID
    ) -> None:
        long_ago = timezone.now() - timedelta(days=200)
        Job.objects.update(finished_at=long_ago)
        live = batch([deed.s("z")]).dispatch().id

        assert jobman("prune", "--dry-run").lines[-1] == "0 jobs would be deleted"
        Batch.objects.filter(pk=failed).update(finished_at=long_ago)
        dry, real = jobman("prune", "--dry-run"), jobman("prune", "--yes")

        over = "        1  batches of workflows whose jobs have all gone"
        assert dry.lines[1:] == [f"{over}: would be deleted", "4 jobs would be deleted"]
        assert real.lines[1] == f"{over}: deleted"
        assert Batch.objects.get().id == live

    def test_flush_spares_what_a_live_workflow_may_need(self, jobman: Command) -> None:
        broken.add("a")
        flow = batch([deed.s("a"), deed.s("b").set(countdown=3600)], on_failure="continue")
        run(flow)

        answer = jobman("flush", "--yes")

        assert answer.lines == ["0 failed jobs deleted"]
        assert "1 more stay: their workflows have not finished" in answer.notes
        assert job("a").state == "failed"
