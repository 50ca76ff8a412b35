"""Old faults planted anew: the injections must notice each, or they hold nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from celery_jobman.core import fallbacks, troubles
from celery_jobman.runtime import arrears
from tests.integration.injection import errors
from tests.integration.injection.injector import ALWAYS, WHOLLY, Case
from tests.integration.injection.scenes import SCENES
from tests.integration.injection.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from tests.integration.injection.world import World


def noticed(world: World, name: str, mode: str = ALWAYS) -> str:
    """Return what is found in a scene of which the database refuses a write for good."""
    scene = next(scene for scene in SCENES if scene.name == name)
    writes = Trial(world, scene).play().writes
    for number in range(len(writes)):
        trial = Trial(world, scene, Case(number, errors.CONSTRAINT, mode))
        trial.play()
        if trial.found:
            return trial.found[0]
    return "nothing"


def test_ends_that_are_not_written_part_by_part_are_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fallbacks, "somehow", lambda write: write())

    assert "only a part of its end is refused" in noticed(world, "a job fails, and has a hook")


def test_a_loop_without_a_guard_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def unguarded(*_: Any, **__: Any) -> Iterator[None]:
        yield

    monkeypatch.setattr(troubles.Aside, "guarding", unguarded)

    assert "a bystander waits" in noticed(world, "a job is due")


def test_ends_that_are_dropped_when_they_are_refused_are_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrears, "_put_off", lambda *_: None)

    assert "nothing says why" in noticed(world, "a job succeeds", WHOLLY)
