from __future__ import annotations

import json

import pytest

from tests.benchmarks import report
from tests.benchmarks.databases import django_database
from tests.benchmarks.measurement import Measurement, Ratio, Summary

RATIO = Ratio(subject="b", against="a", goal="<= 2")
MEASUREMENT = Measurement(
    title="delay()", unit="ms", values={"a": [1.0, 2.0, 4.0], "b": [3.0, 4.0, 4.0]}, ratios=(RATIO,)
)


def test_a_ratio_is_taken_within_rounds() -> None:
    assert MEASUREMENT.ratio(RATIO) == Summary(median=2.0, least=1.0, most=3.0)


def test_a_difference_keeps_the_unit() -> None:
    ratio = Ratio(subject="b", against="a", difference=True)

    assert MEASUREMENT.ratio(ratio) == Summary(median=2.0, least=0.0, most=2.0)


def test_the_table_holds_the_machine_the_medians_and_the_goal() -> None:
    lines = report.table({"cores": "2"}, [MEASUREMENT]).splitlines()

    assert lines[0] == "cores: 2"
    assert [line.split() for line in lines[-3:]] == [
        ["delay(),", "ms", "a", "2.00", "1.00", "-", "4.00"],
        ["b", "4.00", "3.00", "-", "4.00"],
        ["b", "/", "a", "2.00", "1.00", "-", "3.00", "<=", "2"],
    ]


def test_the_json_holds_every_value() -> None:
    (found,) = json.loads(report.as_json({}, [MEASUREMENT]))["measurements"]

    assert found["contestants"]["a"]["values"] == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:////srv/x.sqlite3", {"NAME": "/srv/x.sqlite3"}),
        ("postgresql:///shop?host=/run/pg", {"NAME": "shop", "HOST": "/run/pg", "PORT": ""}),
        (
            "postgresql://me:p%40ss@db:5433/shop",
            {"NAME": "shop", "PASSWORD": "p@ss", "PORT": "5433"},
        ),
    ],
)
def test_a_url_names_a_database(url: str, expected: dict[str, str]) -> None:
    assert django_database(url).items() >= expected.items()
