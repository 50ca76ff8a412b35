"""The verbs of ``manage.py jobman``, one module each."""
