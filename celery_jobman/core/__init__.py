"""The verbs: each writes to the database only, knows no Celery, and is called by every door."""
