"""The second part of the story: four workflows of the shop.  Needs a configured Django."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone

from celery_jobman import actions
from celery_jobman.models import Batch, Job
from celery_jobman.states import FINAL, State
from example_project.demo import evidence, paintings, watching
from example_project.demo.screen import WIDTH
from example_project.shop import letters, pictures
from example_project.shop.models import Avatar, Branch, Cart, Customer, Newsletter
from example_project.shop.workflows import avatars, carts, fan_out, newsletter

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.db.models import QuerySet

    from celery_jobman import LiveBatch
    from celery_jobman.models.job import JobQuerySet
    from example_project.demo.processes import Process
    from example_project.demo.promises import Promises
    from example_project.demo.site import Login
    from example_project.demo.stage import Stage
    from example_project.shop.airports import Row

#: Whose branches and customers the second part is about: Norway has some 80 airports.
COUNTRY: Final = "NO"
#: Branches that are deleted beforehand, to be created again.
_LOST: Final = 12
_GONE, _UNSUBSCRIBED = 2, 3

#: What stands in for ``jpegoptim`` when it is "installed".
_OPTIMISER: Final = """#!{python}
import sys
from PIL import Image
Image.open(sys.argv[-1]).save(sys.stdout.buffer, "JPEG", quality=70, optimize=True)
"""


class Stalls:
    """Four workflows, one after the other.

    Args:
        stage: What they are played on.
        worker: The worker that runs them.
        login: Who steers them.
        promises: Where what was promised is checked.
    """

    def __init__(self, stage: Stage, worker: Process, login: Login, promises: Promises) -> None:
        self._stage = stage
        self._screen = stage.screen
        self._worker = worker
        self._login = login
        self.promises = promises
        #: The batch of the import; known once it has begun.
        self.batch_id: UUID | None = None

    def play(self, rows: list[Row]) -> None:
        """Tell all chapters.

        Args:
            rows: The rows of the whole list.

        Raises:
            Stuck: The story cannot go on.
        """
        self._fan_out(rows)
        self._newsletter()
        self._avatar()
        self._carts()

    def _fan_out(self, rows: list[Row]) -> None:
        self._screen.chapter("A job for each row")
        self._screen.say(
            f"The branches in Norway once more, {_LOST} of which were deleted by mistake. A"
            " batch begins with one job. It reads the list, and adds a job for each row."
        )
        lost = Branch.objects.filter(country=COUNTRY).order_by("code")[:_LOST]
        Branch.objects.filter(pk__in=[each.pk for each in lost]).delete()
        there = Branch.objects.filter(country=COUNTRY).count()
        self._screen.code(f'fan_out.start(country="{COUNTRY}")')
        live = fan_out.start(country=COUNTRY)
        self.batch_id = live.id
        self._follow("rows", live, lambda: bool(self._mails("rows: ")), "the report")
        bad = evidence.bad_rows(rows)
        invalid = sum(rows[index]["country"] == COUNTRY for index in bad)
        total = sum(row["country"] == COUNTRY for row in rows)
        state = live.status()
        self.promises.equal("the batch has succeeded", state["state"], State.SUCCEEDED)
        self.promises.equal(f"{total} rows and the reader: its members", state["total"], total + 1)
        counts = {"created": _LOST, "invalid": invalid, "updated": there}
        told = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
        expected = f"{total} rows: {told}"
        self.promises.equal(f"one mail says: {expected}", self._mails("rows: "), [expected])

    def _newsletter(self) -> None:
        self._screen.chapter("A newsletter")
        letters.sign_up(COUNTRY)
        readers = list(Customer.objects.readers())
        gone, leaving = readers[:_GONE], readers[_GONE : _GONE + _UNSUBSCRIBED]
        self._stage.mailbox.unknown = {each.email for each in gone}
        self._screen.say(
            f"{len(readers)} customers want it. At {_GONE} addresses there is nobody any more, and"
            f" {_UNSUBSCRIBED} customers unsubscribe while it is being sent. 5 % may fail."
        )
        issue = Newsletter.objects.create(subject="We are everywhere", text="Come and see.")
        self._screen.code("newsletter.send(issue)")
        with transaction.atomic():  # messages leave when all of this is written
            live = newsletter.send(issue)
            others = Customer.objects.filter(pk__in=[each.pk for each in leaving])
            others.update(subscription=Customer.Subscription.UNSUBSCRIBED)
        those = Customer.objects.filter(pk__in=[each.pk for each in gone])
        self._follow("letters", live, lambda: self._is_closed(issue, those), "the last callback")
        issue.refresh_from_db()
        sent = len(readers) - _GONE - _UNSUBSCRIBED
        expected = {"success": sent, "failed": _GONE, "unsubscribed": _UNSUBSCRIBED}
        self.promises.equal(f"{sent} have it, once each", self._received(issue), (sent, sent))
        self.promises.equal("its end is noted", issue.outcomes, expected)
        self.promises.equal("it has succeeded", live.status()["state"], State.SUCCEEDED)
        states = set(those.values_list("subscription", flat=True))
        self.promises.equal("who is gone is not written to again", states, {"bounced"})
        told = [self._mails("have the newsletter"), self._mails("a delivery failed")]
        self.promises.equal("the shop was told, once each", list(map(len, told)), [1, 1])

    def _is_closed(self, issue: Newsletter, gone: QuerySet[Customer]) -> bool:
        closed = Newsletter.objects.filter(pk=issue.pk, progress=100).exclude(outcomes={})
        wanted = gone.filter(subscription=Customer.Subscription.SUBSCRIBED)
        is_told = bool(self._mails("have the newsletter"))
        return closed.exists() and is_told and not wanted.exists()

    def _received(self, issue: Newsletter) -> tuple[int, int]:
        """Return how many copies arrived, and at how many addresses."""
        mails = [mail for mail in self._stage.mailbox.received if mail["Subject"] == issue.subject]
        return len(mails), len({str(mail["To"]) for mail in mails})

    def _avatar(self) -> None:
        self._screen.chapter("A picture, and a program that is not there")
        self._screen.say(
            "A picture is checked, made into three sizes side by side, made smaller by"
            f" {Path(settings.SHOP_OPTIMISER).name}, which is not installed, and published."
        )
        avatar = self._upload()
        self._screen.code("avatars.start(avatar)")
        live = avatars.start(avatar)
        self._follow("picture", live)
        optimise = self._members(live, avatars.optimise.name).get()
        error = f"{optimise.error_class}: {optimise.error_message}"
        self._screen.alarm(textwrap.shorten(error, WIDTH - 5))
        self._screen.gap()
        self.promises.equal("the optimiser has failed", optimise.state, State.FAILED)
        self._check_avatar(avatar, live, "the picture is shown in three sizes all the same", "")
        self._install_optimiser()
        self._screen.code("actions.retry_from_link(optimise.id)")
        actions.retry_from_link(optimise.id, actor=self._login.user, reason="it is installed")
        self._follow("again", live)
        self._check_avatar(avatar, live, "now the smaller files are shown", "-small")
        before = self._members(live, avatars.check.name, avatars.resize.name)
        attempts = list(before.values_list("attempt", flat=True))
        once = [1] * (1 + len(pictures.SIZES))
        self.promises.equal("nothing before it was done again", attempts, once)

    def _upload(self) -> Avatar:
        places = Branch.objects.values_list("latitude", "longitude")
        customer = Customer.objects.readers()[0]
        avatar, _is_new = Avatar.objects.get_or_create(customer=customer)
        avatar.upload.save("world.jpg", ContentFile(paintings.world(places)))
        return avatar

    def _install_optimiser(self) -> None:
        program = Path(settings.SHOP_OPTIMISER)
        program.write_text(_OPTIMISER.format(python=sys.executable), encoding="utf-8")
        program.chmod(0o755)
        self._screen.gap()
        self._screen.say("The program is installed, and the chain is retried from there.")

    def _check_avatar(self, avatar: Avatar, live: LiveBatch, promise: str, tail: str) -> None:
        avatar.refresh_from_db()
        folder = Path(settings.MEDIA_ROOT) / "avatars"
        shown = {
            size
            for size, name in avatar.sizes.items()
            if (folder / name).exists() and name.endswith(f"-{size}{tail}.jpg")
        }
        self.promises.equal(promise, shown, {str(size) for size in pictures.SIZES})
        self.promises.equal("the chain has succeeded", live.status()["state"], State.SUCCEEDED)

    def _carts(self) -> None:
        self._screen.chapter("Carts that were left")
        one, other = [Cart.objects.create(customer=each) for each in Customer.objects.readers()[:2]]
        self._screen.say(
            "Two customers fill their carts and leave. A reminder waits for a day, the deletion"
            " of the cart for three. One of them comes back and buys."
        )
        for cart in (one, other):
            carts.fill(cart, [(1, "Globe"), (2, "Suitcase")])
            cart.refresh_from_db()
        self._screen.code("carts.buy(cart)")
        carts.buy(one)
        states = {_state(one.reminder_id), _state(one.deletion_id)}
        self.promises.equal("neither will happen to what was bought", states, {State.CANCELLED})
        self._screen.code("actions.reschedule(job_id, timezone.now())")
        self._screen.say("So a day passes here, and then two more.")
        self._bring_forward(other.reminder_id, "the reminder")
        self._bring_forward(other.deletion_id, "the deletion")
        self._screen.gap()
        reminded = [str(mail["To"]) for mail in self._about("You left something")]
        self.promises.equal("one reminder was sent", reminded, [other.customer.email])
        left = set(Cart.objects.filter(pk__in=[one.pk, other.pk]))
        self.promises.equal("its cart is deleted, and the order is there", left, {one})

    def _bring_forward(self, job_id: UUID | None, what: str) -> None:
        if job_id is None:
            raise watching.Stuck(f"{what} was not enqueued")
        actions.reschedule(job_id, timezone.now(), actor=self._login.user, reason="to show it")
        watching.until(lambda: _state(job_id) in FINAL, self._worker, lambda: f"waited for {what}")
        self._screen.fact(what, _state(job_id))

    def _follow(
        self,
        label: str,
        live: LiveBatch,
        reached: Callable[[], bool] = lambda: True,
        what: str = "the end",
    ) -> None:
        """Show how far a batch is until it has finished, and ``reached()``."""

        def show(_waited: float) -> None:
            status = live.status()
            ended = status["total"] - status["pending"]
            self._screen.bar(label, ended, status["total"], "members")

        def trouble() -> str:
            return f"waited for {what}; the batch: {live.status()}"

        def is_over() -> bool:
            return live.status()["finished"] and reached()

        watching.until(is_over, self._worker, trouble, show)
        show(0)
        self._screen.gap()

    def _members(self, live: LiveBatch, *tasks: str) -> JobQuerySet:
        batches = Batch.objects.filter(root_id=live.id).values("pk")
        return Job.objects.filter(batch_id__in=batches, task__in=tasks)

    def _about(self, text: str) -> list[Any]:
        return [mail for mail in self._stage.mailbox.received if text in str(mail["Subject"])]

    def _mails(self, text: str) -> list[str]:
        return [str(mail["Subject"]) for mail in self._about(text)]


def _state(job_id: UUID | None) -> str:
    return watching.state_of(job_id) if job_id else ""
