"""The addresses of a batch's pages."""

from __future__ import annotations

from celery_jobman.admin.batch.cancelling import CancelPage
from celery_jobman.admin.batch.graph.page import GRAPH, graph
from celery_jobman.admin.batch.layout import REGIONS
from celery_jobman.admin.batch.live import Live
from celery_jobman.admin.batch.retrying import LinkPage, RetryPage
from celery_jobman.admin.routes import Route

ROUTES: tuple[Route, ...] = (
    Route("<uuid:pk>/state/", "state", Live(REGIONS)),
    Route("<uuid:pk>/graph/", "graph", graph),
    Route("<uuid:pk>/cancel/", "cancel", CancelPage()),
    Route("<uuid:pk>/retry/", "retry", RetryPage()),
    Route("<uuid:pk>/retry-from/<uuid:member>/", "retry_from", LinkPage()),
    Route("<uuid:pk>/graph/state/", "graph_state", Live(GRAPH)),
)
