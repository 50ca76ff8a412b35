"""Each release of Python, Django and Celery that is declared has a run in ``.ci/run``."""

from __future__ import annotations

import configparser
import re
import tomllib
from typing import Any, Final

import pytest

from tests.architecture.sources import ROOT

#: Names of environments that fix all three releases.
ENVIRONMENT: Final = re.compile(r"py(\d)(\d+)-dj(\d)(\d)-celery(\d)(\d)")


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project


def _classified(prefix: str) -> set[str]:
    found = (each.removeprefix(prefix) for each in _project()["classifiers"])
    return {each for each in found if re.fullmatch(r"\d+\.\d+", each)}


def _declared_celery() -> set[str]:
    (requirement,) = (each for each in _project()["dependencies"] if each.startswith("celery"))
    low, high = map(int, re.findall(r"5\.(\d+)", requirement))
    return {f"5.{minor}" for minor in range(low, high)}


def _environments() -> list[tuple[str, str, str]]:
    """Return the releases of Python, Django and Celery with which ``.ci/run`` runs tests."""
    commands = (ROOT / ".ci" / "run").read_text()
    found = {each.groups() for each in ENVIRONMENT.finditer(commands)}
    return [(f"{a}.{b}", f"{c}.{d}", f"{e}.{f}") for a, b, c, d, e, f in sorted(found)]


@pytest.mark.parametrize(
    ("place", "declared"),
    [
        (0, _classified("Programming Language :: Python :: ")),
        (1, _classified("Framework :: Django :: ")),
        (2, _declared_celery()),
    ],
    ids=["Python", "Django", "Celery"],
)
def test_every_release_that_is_declared_has_a_run(place: int, declared: set[str]) -> None:
    assert declared
    assert {environment[place] for environment in _environments()} == declared


def test_the_lowest_and_the_highest_releases_run_together() -> None:
    def numbers(releases: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(map(int, each.split("."))) for each in releases)

    columns = list(zip(*map(numbers, _environments()), strict=True))

    assert tuple(map(min, columns)) in map(numbers, _environments())
    assert tuple(map(max, columns)) in map(numbers, _environments())


def test_the_matrix_of_tox_is_what_ci_runs() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    named = {each.groups() for each in ENVIRONMENT.finditer(tox["tox"]["labels"])}

    assert named == {each.groups() for each in ENVIRONMENT.finditer((ROOT / ".ci/run").read_text())}
