"""Settings of the site that the browser looks at: the test-suite's, and a strict policy."""

from __future__ import annotations

import os

from tests.languages import pseudo
from tests.routers import REPLICA
from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as APPS
from tests.settings import MIDDLEWARE as SHARED

#: A package that dresses the admin; empty for Django's own.
THEME = os.environ.get("JOBMAN_TEST_SITE_THEME", "")
INSTALLED_APPS = [*filter(None, [THEME]), *APPS]  # its templates come before Django's
LANGUAGE_CODE = os.environ.get("JOBMAN_TEST_SITE_LANGUAGE", "en-us")

if THEME == "unfold":
    JOBMAN = {"MODEL_ADMIN": "unfold.admin.ModelAdmin"}
JAZZMIN_SETTINGS = {"use_google_fonts_cdn": False}
JAZZMIN_UI_TWEAKS = {"default_theme_mode": "auto"}

ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
ROOT_URLCONF = "tests.browser.site.urls"
LOCALE = "django.middleware.locale.LocaleMiddleware"
PLACE = SHARED.index("django.middleware.common.CommonMiddleware")
MIDDLEWARE = ["tests.browser.site.policy.strict", *SHARED[:PLACE], LOCALE, *SHARED[PLACE:]]
LANGUAGES = [("en", "English"), ("de", "Deutsch"), (pseudo.LANGUAGE, "Pseudo")]
if LANGUAGE_CODE != "en-us":  # the browser is not asked what it would like
    LANGUAGES = [(LANGUAGE_CODE, LANGUAGE_CODE)]
LOCALE_PATHS = [os.environ.get("JOBMAN_TEST_SITE_LOCALE", "")]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("JOBMAN_TEST_SITE_FILE", ":memory:"),
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    },
    "replica": REPLICA,
}

# What went wrong on a page is found in the process's output.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"output": {"class": "logging.StreamHandler"}},
    "loggers": {"django.request": {"handlers": ["output"], "level": "ERROR", "propagate": False}},
}
