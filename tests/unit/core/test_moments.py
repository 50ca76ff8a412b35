from __future__ import annotations

import pytest

from celery_jobman.core import moments


def test_a_moment_passes_when_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBMAN_MOMENTS", raising=False)

    listener = moments._chosen()

    listener("claimed")

    assert listener is moments._nothing


def test_a_listener_is_named_by_its_module_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBMAN_MOMENTS", "builtins:print")

    assert moments._chosen() is print


def test_a_listener_that_is_not_there_is_an_error_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JOBMAN_MOMENTS", "builtins:nowhere")

    with pytest.raises(ImportError, match="nowhere"):
        moments._chosen()
