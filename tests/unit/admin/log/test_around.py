from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from celery_jobman.admin.log import around
from celery_jobman.admin.log import lines as reading
from celery_jobman.admin.log.lines import Log, Portion
from celery_jobman.core import logs
from celery_jobman.models import LogLine
from tests.factories import line, log_line, running_job

if TYPE_CHECKING:
    from celery_jobman.models import Job
    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def job() -> Job:
    """A job whose log has a line for each letter."""
    job = running_job()
    logs.write(line(job, f"line {letter}") for letter in LETTERS)
    return job


def _find(job: Job, text: str, **narrow: int) -> Log:
    return Log(job_id=job.pk, find=text, **narrow)


def _text(portion: Portion, last: str = "") -> str:
    """Return the letters as a reader sees them, who has seen those up to ``last`` before."""
    ids = dict(LogLine.objects.values_list("id", "message"))
    near, breaks = set(portion.around), dict(portion.breaks)
    text, before = "", next((key for key, said in ids.items() if last and said[-1] == last), 0)
    for key, *_rest, message in portion.lines:
        if key <= before:
            continue
        if breaks.get(key, before) != before:
            text += "|"
        text += message[-1] if key in near else message[-1].upper()
        before = key
    return text


def test_each_hit_stands_between_the_lines_around_it(job: Job) -> None:
    assert _text(around.tail(_find(job, "line h"))) == "|fgHij"
    assert _text(around.tail(_find(job, "line a"))) == "Abc"
    assert _text(around.tail(_find(job, "line z"))) == "|xyZ"


def test_hits_near_each_other_are_one_group(job: Job) -> None:
    for text in ("first", "x", "x", "x", "x", "second", "y", "y", "y", "y", "y", "third"):
        log_line(job, {"x": "other", "y": "another"}.get(text, f"hit {text}"))

    portion = around.tail(_find(job, "hit"))

    shown = [key for key, *_ in portion.lines]
    assert len(portion.breaks) == 2
    assert portion.breaks[1][0] in shown
    assert len(shown) == 2 + 1 + 4 + 1 + 2 + 2 + 1


def test_a_search_for_what_is_not_there_finds_nothing(job: Job) -> None:
    last = LogLine.objects.latest("id").id

    nothing = Portion([], last, around=[], breaks=[])
    assert around.tail(_find(job, "nowhere")) == nothing
    assert around.between(_find(job, "nowhere"), 0) == nothing
    assert around.tail(_find(running_job(), "line")) == Portion([], 0)
    assert around.between(_find(job, "line"), last) == Portion([], last)


def test_the_lines_after_a_hit_may_come_later(job: Job) -> None:
    search = _find(job, "line z")
    first = around.tail(search)
    log_line(job, "line 1")
    second = around.between(search, first.cursor)
    log_line(job, "line 2")
    log_line(job, "line 3")
    third = around.between(search, second.cursor)

    assert (_text(first), _text(second, "z"), _text(third, "1")) == ("|xyZ", "1", "2")


def test_lines_that_were_shown_already_part_no_groups(job: Job) -> None:
    search = _find(job, "line z")
    cursor = around.tail(search).cursor
    for text in ("line 1", "line 2", "line 3", "line z"):
        log_line(job, text)

    assert _text(around.between(search, cursor), "z") == "123Z"


@pytest.mark.parametrize("limit", [5, 7, 2000])
def test_portions_put_together_are_the_whole(job: Job, limit: int) -> None:
    for letter in LETTERS * 4:
        log_line(job, f"line {letter}")
    search = _find(job, "e")
    seen: list[int] = []
    portion = Portion([], 0, through=False)
    while not portion.through:
        portion = around.between(search, portion.cursor, None, limit)
        seen += [row.id for row in portion.lines if not seen or row.id > seen[-1]]

    assert seen == list(LogLine.objects.order_by("id").values_list("id", flat=True))


@pytest.mark.parametrize("room", [30, 100])
def test_what_does_not_fit_comes_next(job: Job, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PORTION_BYTES", room * 2)
    search = _find(job, "line")
    seen, portion, rounds = "", Portion([], 0, through=False), 0
    while not portion.through and rounds < 50:
        portion, rounds = around.between(search, portion.cursor), rounds + 1
        seen += _text(portion, seen[-1:].lower())

    assert seen.lower() == LETTERS


def test_only_lines_of_the_attempt_stand_around_a_hit(job: Job) -> None:
    for text, attempt in (("line 1", 2), ("line 2", 1), ("line 3", 2), ("line 4", 2)):
        log_line(job, text, attempt=attempt)

    found = around.tail(_find(job, "line 3", attempt=2))

    assert _text(found) == "134"


def test_lines_around_a_hit_are_of_any_level(job: Job) -> None:
    log_line(job, "line 1", level=40)

    assert _text(around.tail(_find(job, "line", level=40))) == "|yz1"


def test_a_search_looks_at_no_more_than_its_reach(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "REACH", 10)
    search = _find(job, "line a")

    first = around.between(search, 0)
    second = around.between(search, first.cursor)

    assert around.tail(search).lines == []
    assert (_text(first), first.through) == ("Abc", False)
    assert (second.lines, second.through) == ([], False)


def test_a_search_is_few_statements(job: Job, budget: Budget) -> None:
    first = LogLine.objects.earliest("id").id

    with budget(3):
        around.tail(_find(job, "line"))
    with budget(4):
        around.between(_find(job, "line"), first)
