"""Everything that touches Celery: the task class, receivers, bootsteps and the broker."""
