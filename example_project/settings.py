"""Django settings of the example shop.

Nothing needs to be set.  The environment may point the shop at real servers:

=============================  ============================================================
``JOBMAN_DEMO_DATABASE_URL``   ``postgresql://user:password@host:5432/name``, ``mysql://…`` or
                               ``sqlite:////absolute/path``; an SQLite file by default
``JOBMAN_DEMO_BROKER_URL``     any broker of Celery's; Redis on its usual port by default
``JOBMAN_DEMO_QUEUE``          the queue the shop uses there
``JOBMAN_DEMO_SMTP_PORT``      where on this machine mail is handed in
``JOBMAN_DEMO_FOLDER``         working files, and the SQLite file
``JOBMAN_DEMO_OPTIMISER``      what makes pictures smaller; ``jpegoptim`` by default
=============================  ============================================================
"""

from __future__ import annotations

import os
from pathlib import Path

import django

from example_project import database_url

FOLDER = Path(os.environ.get("JOBMAN_DEMO_FOLDER") or Path(__file__).parent / ".demo")
FOLDER.mkdir(parents=True, exist_ok=True)

SECRET_KEY = "the shop runs on your own machine only"
DEBUG = True
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
MEDIA_URL = "media/"
#: Uploads and what is made of them.  Workers on several machines need a shared folder here.
MEDIA_ROOT = FOLDER / "media"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "celery_jobman",
    "example_project.shop",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": database_url.parse(
        os.environ.get("JOBMAN_DEMO_DATABASE_URL") or f"sqlite:///{FOLDER / 'shop.sqlite3'}"
    )
}

# --- Mail -----------------------------------------------------------------------------------

_SMTP = {
    "host": "127.0.0.1",
    "port": int(os.environ.get("JOBMAN_DEMO_SMTP_PORT") or 1025),
    "timeout": 10,  # seconds; without it a mail server that hangs holds a worker for ever
}
if django.VERSION >= (6, 1):
    MAILERS = {
        "default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": _SMTP}
    }
else:
    EMAIL_HOST, EMAIL_PORT, EMAIL_TIMEOUT = _SMTP["host"], _SMTP["port"], _SMTP["timeout"]
DEFAULT_FROM_EMAIL = "shop@example.org"

# --- Celery ---------------------------------------------------------------------------------

CELERY_BROKER_URL = os.environ.get("JOBMAN_DEMO_BROKER_URL") or "redis://127.0.0.1:6379/0"
CELERY_TASK_DEFAULT_QUEUE = os.environ.get("JOBMAN_DEMO_QUEUE") or "jobman-demo"
CELERY_TASK_IGNORE_RESULT = True  # the job's row keeps the result
CELERY_WORKER_PREFETCH_MULTIPLIER = 1  # a waiting job waits for every worker, not for one
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

if CELERY_BROKER_URL.startswith("filesystem:"):
    # One folder is in-tray and out-tray at once: every process reads what all others write.
    _TRAY = FOLDER / "messages"
    _TRAY.mkdir(exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_TRAY),
        "data_folder_out": str(_TRAY),
        "control_folder": str(FOLDER / "exchanges"),
    }

# --- celery-jobman --------------------------------------------------------------------------

JOBMAN = {
    # Quick, so that you do not wait long for a killed worker to be missed.  The defaults are
    # 5 s, 25 s and 5 s, and suit a machine that is at times too busy for a sign of life.
    "HEARTBEAT": 1,
    "WORKER_LOST_AFTER": 5,
    "RESCUE_EVERY": 1,
}

# --- The shop -------------------------------------------------------------------------------

#: Working copies of imported files.  Workers on several machines need a shared folder here.
SHOP_IMPORT_FOLDER = FOLDER / "imports"
#: Who is told about an import, and about a newsletter.
SHOP_REPORT_TO = ["buyers@example.org"]
#: The program that makes pictures smaller.
SHOP_OPTIMISER = os.environ.get("JOBMAN_DEMO_OPTIMISER") or "jpegoptim"
