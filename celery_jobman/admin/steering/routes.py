"""The addresses behind the buttons."""

from __future__ import annotations

from celery_jobman.admin.routes import Route
from celery_jobman.admin.steering.editing import EditPage
from celery_jobman.admin.steering.retrying import RetryPage, RewindPage
from celery_jobman.admin.steering.stopping import CancelPage
from celery_jobman.admin.steering.timing import PriorityPage, ReschedulePage

ROUTES: tuple[Route, ...] = (
    Route("<uuid:pk>/cancel/", "cancel", CancelPage()),
    Route("<uuid:pk>/retry/", "retry", RetryPage()),
    Route("<uuid:pk>/retry-from/", "retry_from", RewindPage()),
    Route("<uuid:pk>/edit-retry/", "edit_retry", EditPage()),
    Route("<uuid:pk>/priority/", "priority", PriorityPage()),
    Route("<uuid:pk>/reschedule/", "reschedule", ReschedulePage()),
)
