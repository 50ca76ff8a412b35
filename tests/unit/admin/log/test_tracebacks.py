from __future__ import annotations

import traceback

import pytest

from celery_jobman.admin.log.tracebacks import Frame, frames

CHAINED = """Traceback (most recent call last):
  File "/srv/shop/first.py", line 1, in first
    first()
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/usr/lib/python3.13/site-packages/celery/app/trace.py", line 453, in trace_task
    R = retval = fun(*args, **kwargs)
                 ~~~^^^^^^^^^^^^^^^^^
  File "/srv/shop/tasks.py", line 12, in load
    raise ValueError("x")
ValueError: x
"""


def test_the_calls_of_the_last_error_are_found() -> None:
    first, second = frames(CHAINED)

    assert first.is_library
    assert second == Frame("/srv/shop/tasks.py", "12", "load", 'raise ValueError("x")\n')
    assert not second.is_library
    assert first.code.count("\n") == 2


def test_what_python_writes_is_understood() -> None:
    with pytest.raises(ValueError, match="x") as caught:
        int("x")
    text = "".join(traceback.format_exception(caught.value))

    assert [(frame.path, frame.name) for frame in frames(text)] == [
        (__file__, "test_what_python_writes_is_understood")
    ]


@pytest.mark.parametrize("text", ["", "boom", "Traceback (most recent call last):\n\x00", "  File"])
def test_text_that_looks_different_has_no_calls(text: str) -> None:
    assert frames(text) == []


@pytest.mark.parametrize(
    ("path", "library"),
    [
        ("/srv/shop/tasks.py", False),
        ("/srv/shop/celery/tasks.py", False),
        ("/srv/celery_jobman/shop/tasks.py", False),
        ("/usr/lib/python3.11/json/decoder.py", True),
        ("/venv/lib/python3.13/site-packages/requests/api.py", True),
        ("/src/celery/app/trace.py", True),
        ("/src/celery_jobman/runtime/execution.py", True),
        ("C:\\Python313\\Lib\\json\\decoder.py", True),
        ("C:\\shop\\tasks.py", False),
        ("<frozen runpy>", True),
    ],
)
def test_code_of_libraries_is_told_from_the_projects(path: str, *, library: bool) -> None:
    assert Frame(path, "1", "f", "").is_library is library
