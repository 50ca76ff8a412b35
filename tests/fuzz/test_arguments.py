"""Whatever a caller passes: it is stored and read back as it was, or refused in clear words."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_jobman.core import jobs
from celery_jobman.core.encoding import encode
from celery_jobman.core.redaction import preview
from celery_jobman.exceptions import UnencodableValue
from celery_jobman.models import Job
from tests.factories import NOON, unsaved_job
from tests.fuzz.material import TEXT, TRIES, VALUES

pytestmark = pytest.mark.django_db
FEW = settings(TRIES, max_examples=60)


def _same(one: Any, other: Any) -> bool:
    """Compare as JSON, where NaN equals itself."""
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)


@FEW
@given(args=st.lists(VALUES, max_size=4), kwargs=st.dictionaries(TEXT, VALUES, max_size=3))
def test_arguments_come_back_as_they_were(args: list[Any], kwargs: dict[str, Any]) -> None:
    try:
        texts = {"args": encode(args, "the arguments"), "kwargs": encode(kwargs, "the arguments")}
    except UnencodableValue:
        return
    shown = preview(json.loads(texts["args"]), json.loads(texts["kwargs"]))
    job = jobs.enqueue(unsaved_job(preview=shown, **texts), now=NOON)

    stored = Job.objects.get(pk=job.pk)

    assert _same(stored.arguments[0], args)
    assert _same(stored.arguments[1], kwargs)
    assert len(stored.preview) <= 200


@pytest.mark.parametrize("depth", [500, 100_000])
def test_nesting_without_end_is_stored_or_refused(depth: int) -> None:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]

    try:
        assert encode(value, "the arguments")
    except UnencodableValue as refusal:
        assert "the arguments" in str(refusal)  # noqa: PT017 - either may happen


def test_a_number_that_no_reader_would_take_is_refused() -> None:
    with pytest.raises(UnencodableValue, match="the arguments is a list"):
        encode([10**5000], "the arguments")
