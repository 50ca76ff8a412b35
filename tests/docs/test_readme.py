"""The commands in the README are the ones that run."""

from __future__ import annotations

import configparser
import re

import celery_jobman
from celery_jobman.runtime.task import JobTask
from tests.docs.pages import README, ROOT, blocks, codes

TEST = "python -m pip install tox && python -m tox"
DEMO = f"{TEST} -e demo"


def test_the_first_commands_are_the_demo_and_the_tests() -> None:
    first, second = [block.code.strip() for block in blocks(README, "console")][:2]

    assert first == f"$ {DEMO}"
    assert second == f"$ {TEST}"


def test_ci_runs_the_same_command() -> None:
    commands = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    assert TEST in commands


def test_tox_has_a_demo_and_runs_the_tests_by_itself() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")

    assert tox.has_section("testenv:demo")
    assert "tests" in tox["tox"]["env_list"]


def test_the_example_uses_what_the_package_has() -> None:
    code = "".join(block.code for block in blocks(README, "python"))
    methods = {"step", "iterate", "complete"}

    assert "celery_jobman:JobTask" in code
    assert all(f"self.{method}(" in code and hasattr(JobTask, method) for method in methods)


def test_the_versions_are_those_of_the_package() -> None:
    text = README.read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    assert 'requires-python = ">=3.11"' in project
    assert '"celery>=5.5,<5.8"' in project
    assert '"django>=5.2,<6.2"' in project
    assert all(number in text for number in ("3.11", "3.13", "5.2", "6.1", "5.5", "5.7"))


def test_every_link_leads_to_a_file() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README.read_text(encoding="utf-8"))

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_public_names_are_named() -> None:
    assert set(celery_jobman.__all__) - {"__version__"} <= codes(
        (ROOT / "docs" / "reference" / "task.md").read_text(encoding="utf-8")
        + (ROOT / "docs" / "howto" / "workflows.md").read_text(encoding="utf-8")
        + README.read_text(encoding="utf-8")
    ) | {"progress", "step", "atomic_step", "current_job"}
