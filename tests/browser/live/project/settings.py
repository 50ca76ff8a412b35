"""Settings of the live shop: the example's, as quick as acceptance tests are, and a policy."""

from __future__ import annotations

from example_project.settings import *  # noqa: F403
from example_project.settings import INSTALLED_APPS as SHOP
from example_project.settings import MIDDLEWARE as SHARED
from tests.acceptance.stacks import QUICK
from tests.browser.site import settings as strict

DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
ROOT_URLCONF = "tests.browser.site.urls"
MIDDLEWARE = ["tests.browser.site.policy.strict", *SHARED]
INSTALLED_APPS = [*SHOP, "tests.browser.live.project"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGGING = strict.LOGGING
JOBMAN = {**QUICK}  # type: ignore[dict-item] # the example has whole seconds
