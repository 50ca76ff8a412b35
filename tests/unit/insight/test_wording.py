from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.utils import timezone as django_timezone
from django.utils import translation

from celery_jobman.insight import wording
from tests.factories import NOON, unsaved_job


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0s"),
        (0.4, "0s"),
        (59, "59s"),
        (60, "1m"),
        (3599, "59m"),
        (7200, "2h"),
        (864_000, "10d"),
    ],
)
def test_a_short_duration_has_one_unit(seconds: float, expected: str) -> None:
    assert wording.short(timedelta(seconds=seconds)) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-1, "0s"),
        (0, "0s"),
        (0.0042, "4ms"),
        (1.26, "1.3s"),
        (3, "3s"),
        (10.9, "10s"),
        (185, "3m 5s"),
        (180, "3m"),
        (7_800, "2h 10m"),
        (3_605, "1h"),
        (15_552_000, "180d"),
    ],
)
def test_how_long_something_took_has_two_units_at_most(seconds: float, expected: str) -> None:
    assert wording.lasting(timedelta(seconds=seconds)) == expected


def test_a_moment_is_told_by_its_distance() -> None:
    assert wording.ago(NOON - timedelta(minutes=3), NOON) == "3m ago"
    assert wording.ago(NOON + timedelta(hours=2), NOON) == "in 2h"
    assert wording.ago(NOON, NOON) == "just now"


def test_a_moment_is_shown_in_the_projects_time_zone() -> None:
    abroad = datetime(2030, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))

    assert wording.at(abroad) == "2030-01-01 10:00:00 UTC"
    assert wording.at(datetime(2030, 1, 1, 12)) == "2030-01-01 12:00:00"  # noqa: DTZ001 - USE_TZ off
    assert abroad.astimezone(UTC).hour == 10


def test_the_end_of_the_calendar_is_shown_where_it_would_be_over() -> None:
    with django_timezone.override("Asia/Tokyo"):
        assert wording.at(datetime.max.replace(tzinfo=UTC)) == "9999-12-31 23:59:59 UTC"


@pytest.mark.parametrize(
    ("language", "whole", "part", "most"),
    [
        (None, "1,204,000", "1.5", "10k+"),
        ("en", "1,204,000", "1.5", "10k+"),
        ("de", "1.204.000", "1,5", "10\xa0Tsd.+"),
        ("es", "1\xa0204\xa0000", "1,5", "10\xa0mil+"),
    ],
)
def test_numbers_are_written_as_the_language_does(
    language: str | None, whole: str, part: str, most: str
) -> None:
    with translation.override(language):
        assert wording.number(1_204_000) == whole
        assert wording.number(1.5, 1) == part
        assert wording.number(7) == "7"
        assert wording.at_least(10_000) == most
        assert wording.at_least(999) == "999+"


def test_times_are_written_as_the_language_does() -> None:
    with translation.override("de"):
        assert wording.lasting(timedelta(seconds=1.26)) == "1,3\xa0s"
        assert wording.lasting(timedelta(seconds=185)) == "3\xa0min 5\xa0s"
        assert wording.ago(NOON - timedelta(hours=2), NOON) == "vor 2\xa0h"
        assert wording.at(NOON) == "01.01.2030 12:00:00 UTC"
        assert wording.jobs(1204) == "1.204 Jobs"
        assert wording.done_of(4200, 10_000) == "4.200 von 10.000 (42\xa0%)"


def test_numbers_are_counted_with_their_noun() -> None:
    assert wording.counted(1, "job") == "1 job"
    assert wording.counted(1204, "job") == "1,204 jobs"
    assert wording.counted(2, "job is", "jobs are") == "2 jobs are"


def test_progress_without_a_total_is_a_count() -> None:
    assert wording.done_of(42, 100, "rows") == "42 of 100 rows (42%)"
    assert wording.done_of(1042, None) == "1,042"
    assert wording.done_of(5, 0) == "5"


def test_a_jobs_progress_has_its_message() -> None:
    job = unsaved_job(progress_current=1, progress_total=4, progress_message="loading")

    assert wording.progress(job) == "1 of 4 (25%): loading"
    assert wording.progress(unsaved_job()) == ""


def test_text_is_fitted_only_where_there_is_a_width() -> None:
    assert wording.fitted("abcdef", 4) == "abc…"
    assert wording.fitted("abcdef", 6) == "abcdef"
    assert wording.fitted("abcdef", None) == "abcdef"
    assert wording.one_line("a\n  b\tc") == "a b c"


def test_an_error_reads_as_in_a_traceback() -> None:
    assert wording.error("shop.errors.Gone", "no row") == "Gone: no row"
    assert wording.error("ValueError", "") == "ValueError"
    assert wording.error("", "it expired") == "it expired"


def test_no_names_are_nothing() -> None:
    assert wording.listed(["fetch", "load"]) == "fetch, load"
    assert wording.listed([]) == "nothing"
