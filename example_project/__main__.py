"""What ``manage.py`` is elsewhere: ``python -m example_project migrate``, ``… runserver``.

A file to be run by its path would put this folder on the import path, where ``celery.py``
would hide Celery itself.
"""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
    execute_from_command_line(["python -m example_project", *sys.argv[1:]])
