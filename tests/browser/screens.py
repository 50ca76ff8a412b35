"""The pages that the checks go through, by a title; ``{name}`` is the id of that job."""

from __future__ import annotations

from typing import Final

LIST: Final = "/admin/jobman/job/"
BATCH_LIST: Final = "/admin/jobman/batch/"

LISTS: Final = {
    "the list": LIST,
    "the failed ones": f"{LIST}?state=failed",
}

JOBS: Final = (
    "scheduled",
    "blocked",
    "queued",
    "running",
    "succeeded",
    "failed",
    "cancelled",
    "skipped",
    "retrying",
    "cancelling",
    "lost",
    "hostile",
)

PAGES: Final = {f"a {name} job": f"{LIST}{{{name}}}/change/" for name in JOBS}

#: The pages of the verbs, each with a job that it is for.
VERBS: Final = {
    "cancelling": f"{LIST}{{running}}/cancel/",
    "cancelling by force": f"{LIST}{{cancelling}}/cancel/",
    "retrying": f"{LIST}{{succeeded}}/retry/",
    "retrying from a step": f"{LIST}{{failed}}/retry-from/",
    "retrying with other arguments": f"{LIST}{{failed}}/edit-retry/",
    "changing the priority": f"{LIST}{{queued}}/priority/",
    "rescheduling": f"{LIST}{{scheduled}}/reschedule/",
    "retrying what runs": f"{LIST}{{running}}/retry/",
    "retrying hostile arguments": f"{LIST}{{hostile}}/edit-retry/",
}

#: The pages of batches.
BATCHES: Final = {
    "the list of batches": BATCH_LIST,
    "a running workflow": f"{BATCH_LIST}{{workflow}}/change/",
    "its graph": f"{BATCH_LIST}{{workflow}}/graph/",
    "its graph as a table": f"{BATCH_LIST}{{workflow}}/graph/?form=table",
    "its graph from top to bottom": f"{BATCH_LIST}{{workflow}}/graph/?flow=down",
    "the graph of what ended": f"{BATCH_LIST}{{ended workflow}}/graph/",
    "a table with the longest path": f"{BATCH_LIST}{{ended workflow}}/graph/?form=table",
    "a batch that failed": f"{BATCH_LIST}{{failed batch}}/change/",
    "a batch of many errors": f"{BATCH_LIST}{{many errors}}/change/",
    "a hostile batch": f"{BATCH_LIST}{{hostile batch}}/change/",
    "retrying a batch": f"{BATCH_LIST}{{failed batch}}/retry/",
    "a link of a chain": f"{LIST}{{a link}}/change/",
}

SCREENS: Final = {**LISTS, **PAGES, **VERBS, **BATCHES}

#: One of each kind, for what takes long to look at.
KINDS: Final = {
    "the list": LIST,
    **{name: PAGES[name] for name in ("a failed job", "a running job")},
    **{name: VERBS[name] for name in ("cancelling", "retrying from a step")},
    "retrying with other arguments": VERBS["retrying with other arguments"],
}
