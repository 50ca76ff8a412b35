"""Bar: how many members of a batch stand where, drawn as segments and told in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman.admin.badges import LOOKS, Badge
from celery_jobman.insight.wording import number
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from django.utils.functional import _StrPromise

    from celery_jobman.models import Batch

#: What of a batch has not ended, when nobody looked which of it runs.
PENDING = "pending"
#: What is counted, in the order of the bar: what each is called, and how it looks.
SEGMENTS: Mapping[str, tuple[_StrPromise, tuple[str, str]]] = {
    "succeeded": (gettext_lazy("Succeeded"), LOOKS[State.SUCCEEDED]),
    "failed": (gettext_lazy("Failed"), LOOKS[State.FAILED]),
    "cancelled": (gettext_lazy("Cancelled"), LOOKS[State.CANCELLED]),
    "skipped": (gettext_lazy("Skipped"), LOOKS[State.SKIPPED]),
    "running": (gettext_lazy("Running"), LOOKS[State.RUNNING]),
    "waiting": (gettext_lazy("Waiting"), LOOKS[State.QUEUED]),
    PENDING: (gettext_lazy("Pending"), LOOKS[State.QUEUED]),
}
#: Those of which a batch keeps the number itself.
KEPT = tuple(name for name in SEGMENTS if name not in {"running", "waiting"})
#: The least share of a segment, so that one of a million is seen.
SLIVER = 0.008


class Counts(NamedTuple):
    """How many members there are of each kind."""

    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0
    running: int = 0
    waiting: int = 0
    pending: int = 0

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self)

    @property
    def ended(self) -> int:
        """How many have ended, in whatever way."""
        return self.total - self.unfinished

    @property
    def unfinished(self) -> int:
        """How many have not ended."""
        return self.running + self.waiting + self.pending

    def of_which_run(self, running: int) -> Counts:
        """Return the same counts, with those that run apart from those that wait."""
        running = min(running, self.unfinished)
        return self._replace(running=running, waiting=self.unfinished - running, pending=0)


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of the bar."""

    name: str
    count: int
    #: Where it begins, and how long it is, as shares of the whole.
    begin: float
    share: float

    @property
    def badge(self) -> Badge:
        """The icon and the word of what is counted."""
        word, look = SEGMENTS[self.name]
        return Badge(*look, str(word))


def counts_of(batch: Batch) -> Counts:
    """Return a batch's own counts."""
    return Counts(**{name: getattr(batch, name) for name in KEPT})


def counted(states: Iterable[str]) -> Counts:
    """Return the counts of members in these states."""
    found = dict.fromkeys(SEGMENTS, 0)
    for state in states:
        found[state if state in found else "waiting"] += 1
    return Counts(**found)


def segments(counts: Counts) -> list[Segment]:
    """Return the parts that there are, together as long as the whole."""
    there = [(name, count) for name, count in counts._asdict().items() if count]
    shares = [max(count / counts.total, SLIVER) for _name, count in there]
    whole, begin, found = sum(shares), 0.0, []
    for (name, count), share in zip(there, shares, strict=True):
        found.append(Segment(name, count, begin / whole, share / whole))
        begin += share
    return found


def told(counts: Counts) -> str:
    """Return the bar in words: ``9,874 succeeded, 31 failed, 2 running, 93 waiting``."""
    words = {
        "succeeded": _("%(count)s succeeded"),
        "failed": _("%(count)s failed"),
        "cancelled": _("%(count)s cancelled"),
        "skipped": _("%(count)s skipped"),
        "running": _("%(count)s running"),
        "waiting": _("%(count)s waiting"),
        PENDING: _("%(count)s pending"),
    }
    there = counts._asdict().items()
    parts = [words[name] % {"count": number(count)} for name, count in there if count]
    return ", ".join(parts) or _("no members")


def svg(counts: Counts, key: object) -> SafeString:
    """Return the bar; ``key`` tells it from the others of the page."""
    hatch = f"jm-hatch-{key}"
    return format_html(
        '<svg class="jm-seg" role="img" aria-label="{}" width="100%" height="12">{}{}</svg>',
        told(counts),
        pattern(hatch),
        format_html_join("", "{}", ((one,) for one in _boxes(counts, hatch))),
    )


def swatch(name: str, key: object) -> SafeString:
    """Return a small piece of the bar, for its legend."""
    hatch = f"jm-hatch-{key}"
    boxes = SafeString("".join(_box(name, "0", "100%", hatch)))
    return format_html(
        '<svg class="jm-seg-swatch" aria-hidden="true" width="14" height="12">{}</svg>', boxes
    )


def pattern(hatch: str) -> SafeString:
    """Return the hatching that tells failures from the rest without a colour."""
    return format_html(
        '<defs><pattern id="{}" width="6" height="6" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)"><path class="jm-seg-hatch" d="M1.5 0V6"/></pattern></defs>',
        hatch,
    )


def _boxes(counts: Counts, hatch: str) -> Iterator[SafeString]:
    for part in segments(counts):
        yield from _box(part.name, f"{part.begin:.2%}", f"{part.share:.2%}", hatch)


def _box(name: str, x: str, width: str, hatch: str) -> Iterator[SafeString]:
    # Half as high: that is not done yet, also to those who do not see the colour.
    tall = 'y="25%" height="50%"' if name == "running" else 'height="100%"'
    place = f'x="{x}" width="{width}" {tall}'
    yield SafeString(f'<rect class="jm-seg-{name}" {place}/>')
    if name == "failed":
        yield SafeString(f'<rect fill="url(#{hatch})" {place}/>')
