"""Durable workflows: Celery's call shapes, rows from the start, joined by the database."""
