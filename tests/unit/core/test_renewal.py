from __future__ import annotations

import json
from typing import Any

import pytest

from celery_jobman.core import renewal
from celery_jobman.core.behind import KEY


def _task(name: str, **options: Any) -> dict[str, Any]:
    own = {"task_id": f"id of {name}", KEY: f"row of {name}"}
    return {"task": "demo.add", "args": [], "kwargs": {}, "options": {**own, **options}}


def _composed(kind: str, name: str, **parts: Any) -> dict[str, Any]:
    return {"task": f"celery.{kind}", "kwargs": parts, "options": {"task_id": f"id of {name}"}}


CHORD = _composed(
    "chord",
    "group",
    header=_composed(
        "group",
        "group",
        tasks=[
            _task("b", group_id="id of group"),
            _composed("chain", "c2", tasks=[_task("c"), _task("c2", link=[_task("l")])]),
        ],
    ),
    body=_task("d"),
)


def _renewed(ran: set[str], **ids: str) -> tuple[dict[str, str], dict[str, Any]]:
    known = {f"id of {name}": new for name, new in ids.items()}
    message = json.dumps({"chain": [_task("e"), CHORD], "link": _task("x"), "queue": "q"})
    return known, json.loads(renewal.renewed(message, {f"row of {name}" for name in ran}, known))


def _ids(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value[name] for name in ("task_id", "group_id") if name in value]
        return own + [found for each in value.values() for found in _ids(each)]
    return [found for each in value for found in _ids(each)] if isinstance(value, list) else []


def test_what_has_not_begun_keeps_its_ids() -> None:
    ids, message = _renewed(set())

    assert ids == {}
    assert message == {"chain": [_task("e"), CHORD], "link": _task("x"), "queue": "q"}


def test_an_id_that_is_known_to_be_used_up_is_replaced() -> None:
    ids, message = _renewed({"e"}, e="new", x="newer")

    assert message["chain"] == [_task("e", task_id="new"), CHORD]
    assert message["link"]["options"]["task_id"] == "newer"
    assert len(ids) == 2


@pytest.mark.parametrize("member", ["b", "c", "c2"])
def test_a_group_that_had_begun_gets_new_ids_throughout(member: str) -> None:
    ids, message = _renewed({member})

    assert set(ids) == {"id of group", "id of b", "id of c", "id of c2"}
    assert len(set(ids.values())) == 4
    used = _ids(message)
    assert not set(ids) & set(used)
    assert used.count(ids["id of group"]) == 3
    assert {"id of d", "id of e", "id of l", "id of x"} <= set(used)


def test_a_group_whose_body_alone_had_begun_is_left_alone() -> None:
    assert _renewed({"d"})[0] == {}


def test_rows_stay_the_same() -> None:
    _, message = _renewed({"b"}, e="new")

    text = json.dumps(message)
    assert all(f"row of {name}" in text for name in ("b", "c", "c2", "d", "e", "l", "x"))
