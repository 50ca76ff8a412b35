"""The verbs behind ``manage.py jobman batch``."""
