"""The newsletter: a batch with a job for each reader, written from a queryset."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from celery import shared_task
from django.db import transaction

from celery_jobman import JobTask, batch
from example_project.shop import letters, report, tallies
from example_project.shop.models import Customer, Newsletter
from example_project.shop.post import Bounced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery_jobman import LiveBatch

#: Some addresses are always gone.  When more fail, the mail server is down or takes us for
#: spammers, and the rest is cancelled.
ALLOWED: Final = "5%"


@transaction.atomic
def send(newsletter: Newsletter) -> LiveBatch:
    """Send a newsletter to all who want it.

    Readers who were written to already are passed over, so that a newsletter may be sent again
    to those who subscribed since.
    """
    number = newsletter.pk
    flow = batch(
        _deliveries(number), name=newsletter.subject, allow_failures=ALLOWED, tags=["newsletter"]
    )
    flow = flow.then(announce.s(number)).catch(warn.s(number))
    live = flow.finally_(close.s(number)).on_progress(note.s(number)).dispatch()
    Newsletter.objects.filter(pk=number).update(batch_id=live.id, progress=0, outcomes={})
    return live


def _deliveries(newsletter_id: int) -> Iterator[Any]:
    """Yield a signature for each reader; there is never a list of them all in memory."""
    for customer_id in Customer.objects.readers().values_list("pk", flat=True).iterator():
        yield deliver.s(newsletter_id, customer_id)


class Delivery(JobTask):
    """A task whose failure may say something of an address."""

    def failed(self, exception: BaseException) -> None:
        """Note that there is nobody at the address; called once a delivery has failed for good."""
        if isinstance(exception, Bounced):
            _newsletter_id, customer_id = self.request.args
            letters.mark_bounced(customer_id)


@shared_task(
    base=Delivery,
    bind=True,
    autoretry_for=(OSError,),  # whatever a mail server says for now; Bounced is final
    max_retries=4,
    retry_backoff=30,
    retry_backoff_max=3600,
)
def deliver(self: JobTask, newsletter_id: int, customer_id: int) -> None:
    """Mail a newsletter to a reader, who may have changed their mind since it was begun."""
    newsletter = Newsletter.objects.get(pk=newsletter_id)
    customer = Customer.objects.select_related("branch").get(pk=customer_id)
    if reason := letters.why_not(newsletter, customer):
        self.skip(reason)
    letters.send(newsletter, customer)


@shared_task(base=JobTask, bind=True)
def announce(self: JobTask, batch_id: str, newsletter_id: int) -> None:
    """Tell the shop: the newsletter went out, to all but the few whom it could not reach."""
    newsletter = Newsletter.objects.get(pk=newsletter_id)
    counts = tallies.count(batch_id, deliver)
    subject = f"{counts.get('success', 0):,} have the newsletter: {newsletter.subject}"
    lines = [f"{name}: {number:,}" for name, number in sorted(counts.items())]
    report.tell(subject, lines, key=self.job.id)


@shared_task(base=JobTask, bind=True)
def warn(self: JobTask, _batch_id: str, error: dict[str, str], newsletter_id: int) -> None:
    """Tell the shop of the first delivery that failed; there may be more."""
    subject = f"Newsletter {newsletter_id}: a delivery failed"
    report.tell(subject, [f"job {error['job_id']}", error["error_message"]], key=self.job.id)


@shared_task(base=JobTask)
def close(batch_id: str, newsletter_id: int) -> dict[str, int]:
    """Note how the deliveries ended, also when the rest of them was cancelled."""
    counts = tallies.count(batch_id, deliver)
    Newsletter.objects.filter(pk=newsletter_id).update(progress=100, outcomes=counts)
    return counts


@shared_task(base=JobTask)
def note(_batch_id: str, status: dict[str, Any], newsletter_id: int) -> None:
    """Note how far it is, for the list in the admin.

    Jobs may overtake each other; the number only grows.
    """
    behind = Newsletter.objects.filter(pk=newsletter_id, progress__lt=status["progress"])
    behind.update(progress=status["progress"])
