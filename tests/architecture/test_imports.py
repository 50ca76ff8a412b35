from __future__ import annotations

import os
import subprocess
import sys

from tests.architecture.sources import ROOT, deferred_imports, imports, modules

#: The only modules that may import inside functions, and why each must.
DEFERRED = {
    "celery_jobman/apps.py": "ready() runs when the models can be imported, its module before",
    "celery_jobman/testing/__init__.py": "pytest loads its plugin before django.setup()",
    "celery_jobman/runtime/workflows/late.py": "a flow dispatches itself through what reads flows",
    "celery_jobman/runtime/engine.py": "what needs models waits for the first call",
    "celery_jobman/runtime/public_names.py": "a celery.py imports us before django.setup()",
}

MAY_IMPORT_CELERY = ("celery_jobman/runtime/", "celery_jobman/testing/")

BEFORE_SETUP = """
import sys
import celery_jobman
from celery_jobman import JobTask
for name in celery_jobman.__all__:
    assert getattr(celery_jobman, name) is not None
assert JobTask.__name__ == "JobTask"
assert "celery_jobman.models" not in sys.modules, "the models were imported"
"""


def test_deferred_imports_are_few_and_each_has_a_reason() -> None:
    assert set(deferred_imports()) == set(DEFERRED)
    assert len(DEFERRED) <= 5


def test_only_the_runtime_imports_celery() -> None:
    outsiders = {
        module.name
        for module in modules()
        if not module.name.startswith(MAY_IMPORT_CELERY)
        and {name.split(".")[0] for name in imports(module.tree)} & {"celery", "kombu"}
    }

    assert outsiders == set()


def test_the_task_class_can_be_imported_before_django_is_set_up() -> None:
    environment = {name: os.environ[name] for name in os.environ if "DJANGO" not in name}

    done = subprocess.run(
        [sys.executable, "-c", BEFORE_SETUP],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
