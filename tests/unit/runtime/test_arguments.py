from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model

from celery_jobman.exceptions import UnencodableValue
from celery_jobman.runtime.messages import (
    decode,
    encode_arguments,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "value",
    [
        datetime(2030, 1, 1, 12, tzinfo=UTC),
        Decimal("1.10"),
        UUID(int=1),
        b"bytes",
        {"nested": [datetime(2030, 1, 1, tzinfo=UTC)]},
    ],
)
def test_arguments_keep_celerys_types(value: Any) -> None:
    args, kwargs = encode_arguments([value], {"y": value})

    assert (decode(args), decode(kwargs)) == ([value], {"y": value})


@pytest.mark.parametrize(
    ("args", "kwargs", "named"),
    [
        ((1, {2}), {}, "argument 2 is a set"),
        ((), {"rows": object()}, "argument 'rows' is a object"),
        ((), {"rows": [object()]}, "argument 'rows' is a list"),
        ((object(),), {"rows": {1}}, "argument 1 is a object"),
        (({(1, 2): 3},), {}, "argument 1 is a dict"),
    ],
)
def test_an_argument_that_cannot_be_encoded_is_named(
    args: tuple[Any, ...], kwargs: dict[str, Any], named: str
) -> None:
    with pytest.raises(UnencodableValue, match=named):
        encode_arguments(args, kwargs)


def test_a_model_instance_is_refused_by_name() -> None:
    with pytest.raises(UnencodableValue, match=r"argument 1 is a User .* pass an id"):
        encode_arguments((get_user_model()(username="ana"),), {})


def test_an_iterator_is_taken_for_its_items_and_the_bad_one_is_named() -> None:
    assert encode_arguments(iter([1, 2]), None) == ("[1, 2]", "{}")
    with pytest.raises(UnencodableValue, match="argument 2 is a set"):
        encode_arguments(iter([1, {2}]), {})


def test_no_arguments_are_empty_ones() -> None:
    assert encode_arguments(None, None) == ("[]", "{}")
