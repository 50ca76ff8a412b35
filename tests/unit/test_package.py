from __future__ import annotations

import pytest

import celery_jobman


@pytest.mark.parametrize("name", celery_jobman.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(celery_jobman, name) is not None


def test_another_name_is_missing_as_in_any_module() -> None:
    with pytest.raises(AttributeError, match="module 'celery_jobman' has no attribute 'jobs'"):
        celery_jobman.jobs  # noqa: B018
