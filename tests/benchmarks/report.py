"""One table of all measurements, for people; the same facts as JSON, for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tests.benchmarks.measurement import summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.benchmarks.measurement import Measurement, Ratio, Summary

COLUMNS = ("{:34}", "{:46}", "{:>10}", "{:>21}", "{:8}")
HEAD = ("benchmark", "contestant or ratio", "median", "least - most", "goal")


def table(facts: Mapping[str, str], measurements: Sequence[Measurement]) -> str:
    """Return everything as text, the machine first."""
    machine = [f"{name}: {value}" for name, value in facts.items()]
    rows = [row for measurement in measurements for row in _rows(measurement)]
    return "\n".join([*machine, "", _line(HEAD), *map(_line, rows)])


def as_json(facts: Mapping[str, str], measurements: Sequence[Measurement]) -> str:
    """Return everything as JSON text."""
    found = [_facts(measurement) for measurement in measurements]
    return json.dumps({"machine": dict(facts), "measurements": found}, indent=2)


def _rows(measurement: Measurement) -> Iterator[tuple[str, ...]]:
    title = f"{measurement.title}, {measurement.unit}"
    for contestant, values in measurement.values.items():
        yield (title, contestant, *_numbers(summary(values)), "")
        title = ""
    for ratio in measurement.ratios:
        yield ("", _name(ratio), *_numbers(measurement.ratio(ratio)), ratio.goal)


def _name(ratio: Ratio) -> str:
    return f"  {ratio.subject} {'-' if ratio.difference else '/'} {ratio.against}"


def _numbers(values: Summary) -> tuple[str, str]:
    return _number(values.median), f"{_number(values.least)} - {_number(values.most)}"


def _number(value: float) -> str:
    """Return ``value`` with three digits that mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _line(cells: Sequence[str]) -> str:
    return "  ".join(form.format(cell) for form, cell in zip(COLUMNS, cells, strict=True)).rstrip()


def _facts(measurement: Measurement) -> dict[str, Any]:
    contestants = {
        name: {"values": list(values), **asdict(summary(values))}
        for name, values in measurement.values.items()
    }
    ratios = [{**asdict(ratio), **asdict(measurement.ratio(ratio))} for ratio in measurement.ratios]
    return {
        "title": measurement.title,
        "unit": measurement.unit,
        "contestants": contestants,
        "ratios": ratios,
    }
