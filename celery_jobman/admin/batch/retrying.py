"""Retrying: the pages behind "Retry failed", "Retry all" and "Retry from here"."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from celery_jobman import actions
from celery_jobman.admin.access import Deed
from celery_jobman.admin.batch.choices import called_again, choices, has_failures
from celery_jobman.admin.batch.forms import ScopeForm
from celery_jobman.admin.batch.scopes import SCOPES
from celery_jobman.admin.batch.verbs import Case, VerbPage
from celery_jobman.admin.page.wire import visible
from celery_jobman.exceptions import TransitionRefused
from celery_jobman.insight.wording import number
from celery_jobman.models.job import Role
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest

    from celery_jobman.admin.batch.forms import StandingForm
    from celery_jobman.core.resumption import Plan
    from celery_jobman.models import Batch, Job

#: Jobs that are named before they run again.
NAMED = 10


class RetryPage(VerbPage):
    """Run members of a batch again."""

    deed = Deed.RETRY_BATCH
    title = gettext_lazy("Retry the batch")
    template = "batch/retry.html"
    form_class = ScopeForm

    def form(self, case: Case, data: Any = None) -> StandingForm:
        """Choose at first what the button that led here said."""
        asked = case.request.GET.get("scope", "")
        scope = asked if asked in SCOPES else "failed"
        return self.form_class(data, initial={"standing": case.standing, "scope": scope})

    def why_not(self, case: Case) -> str:
        """Say what its state forbids; each scope has a rule of its own besides."""
        return why_not(case.batch)

    def outlook(self, case: Case) -> list[str]:  # noqa: ARG002 - as the others'
        """Say what a retry is."""
        return [
            _(
                "Jobs run again as further attempts, with the same arguments; steps that they"
                " have saved are reused. Whatever else has succeeded keeps its result."
            ),
            _(
                "Members that were cancelled or skipped because of what failed go on when it has"
                " succeeded, and so does what follows the batch."
            ),
        ]

    def warnings(self, case: Case) -> list[str]:  # noqa: ARG002 - as the others'
        """Say what jobman cannot undo."""
        return [_("What jobs did outside, such as sending mail, may happen a second time.")]

    def context(self, case: Case, form: StandingForm) -> dict[str, Any]:
        """Return the scopes, and the first jobs of the one that is chosen."""
        offered = choices(case.batch)
        wanted = form["scope"].value()
        possible = [choice for choice in offered if choice.possible]
        chosen = next((each for each in possible if each.value == wanted), None)
        chosen = chosen or next(iter(possible), None)
        return {
            "choices": offered,
            "chosen": chosen.value if chosen else "",
            "first": _first(case, chosen.plan) if chosen and chosen.plan else [],
            "submit": str(self.title) if chosen else "",
        }

    def act(self, case: Case, data: dict[str, Any]) -> str:
        """Retry it."""
        reason = data["reason"]
        done = actions.retry_batch(
            case.batch.pk,
            data["scope"],
            finishes=case.batch.finishes,
            actor=case.request.user,
            reason=reason,
        )
        return runs_again(done)


class LinkCase(Case):
    """A request to run a member again, and every link after it."""

    @cached_property
    def plan(self) -> Plan | None:
        """What would run again, worked out once for a page; None when it is refused."""
        try:
            return actions.plan_link_retry(self.member.pk) if self.member else None
        except TransitionRefused:
            return None


class LinkPage(VerbPage):
    """Run one member of a batch again, and every link after it."""

    deed = Deed.RETRY_BATCH
    title = gettext_lazy("Retry from here")
    template = "batch/retry_from.html"

    def case(self, admin: ModelAdmin[Any], request: HttpRequest, parts: dict[str, Any]) -> Case:
        """Return the batch with the member that is meant, which the user must see."""
        case = super().case(admin, request, parts)
        jobs, batches = case.subject.jobs, case.subject.batches
        place = {"pk": parts["member"], "batch_id": case.batch.pk}
        found: list[Job | Batch] = [*jobs.seen(jobs.rows.filter(**place, role=Role.MEMBER))]
        found = found or [*batches.seen(batches.rows.filter(**place))]
        if not found:
            raise Http404
        return LinkCase(case.subject, found[0])

    def why_not(self, case: Case) -> str:
        """Say whether anything forbids it."""
        if case.member is None or case.member.state not in FINAL:
            return _("This is possible once it has ended.")
        return "" if _plan(case) else _("Something that would run again has not ended.")

    def outlook(self, case: Case) -> list[str]:
        """Say what runs again."""
        plan = _plan(case)
        return [_("It runs again, and every link after it."), *(told(plan) if plan else [])]

    def warnings(self, case: Case) -> list[str]:
        """Say what jobman cannot undo, and what succeeded."""
        outside = _("What jobs did outside, such as sending mail, may happen a second time.")
        succeeded = case.member is not None and case.member.state == State.SUCCEEDED
        return [outside, *([_("This link succeeded.")] if succeeded else [])]

    def context(self, case: Case, form: StandingForm) -> dict[str, Any]:  # noqa: ARG002 - as the others'
        """Return what runs again at once."""
        plan = _plan(case)
        return {"first": _first(case, plan) if plan else []}

    def act(self, case: Case, data: dict[str, Any]) -> str:
        """Retry it."""
        if case.member is None:
            raise Http404
        user, reason = case.request.user, data["reason"]
        return runs_again(actions.retry_from_link(case.member.pk, actor=user, reason=reason))


def _plan(case: Case) -> Plan | None:
    return case.plan if isinstance(case, LinkCase) else None


def why_not(batch: Batch) -> str:
    """Return why nothing in a batch can be retried, as far as its own row tells."""
    if batch.stopping == "cancelled" and not batch.is_final:
        return _("It is being cancelled; wait for its end.")
    if not batch.total:
        return _("It has no members.")
    if not batch.is_final and not has_failures(batch):
        return _("Nothing in it has failed.")
    return ""


def told(plan: Plan) -> list[str]:
    """Return what a retry would do, in sentences."""
    after = ngettext(
        "%(count)s job runs again after that.",
        "%(count)s jobs run again after that.",
        plan.waiting_count,
    )
    kept = ngettext(
        "%(count)s job of the workflow keeps its end and its result.",
        "%(count)s jobs of the workflow keep their ends and their results.",
        plan.reused_count,
    )
    sentences = [
        ngettext(
            "%(count)s job runs again at once.",
            "%(count)s jobs run again at once.",
            plan.again_count,
        )
        % {"count": number(plan.again_count)}
    ]
    sentences += [after % {"count": number(plan.waiting_count)}] if plan.waiting_count else []
    sentences += [kept % {"count": number(plan.reused_count)}]
    if plan.callbacks:
        names = {"names": called_again(plan)}
        sentences.append(_("Callbacks that run again when it finishes: %(names)s.") % names)
    return sentences


def runs_again(plan: Plan) -> str:
    """Return the sentence that says what was done."""
    text = ngettext("%(count)s job runs again", "%(count)s jobs run again", plan.again_count)
    said = text % {"count": number(plan.again_count)}
    if not plan.waiting_count:
        return f"{said}."
    return _("%(said)s, and %(count)s after that.") % {
        "said": said,
        "count": number(plan.waiting_count),
    }


def _first(case: Case, plan: Plan) -> list[tuple[str, str]]:
    """Return the names and addresses of the first jobs that run again, if they may be seen."""
    jobs = case.subject.jobs
    named = dict(plan.again[:NAMED])
    seen = {job.pk for job in jobs.seen(jobs.rows.filter(pk__in=named))}
    return [(visible(name), jobs.page(pk)) for pk, name in named.items() if pk in seen]
