"""Settings of the site under a policy of nonces, by Django's own means where it has them all."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import django

from tests.browser.site.settings import *  # noqa: F403
from tests.settings import MIDDLEWARE as SHARED
from tests.settings import TEMPLATES as PLAIN

#: Django 6.0 has the middleware, and an admin that does not use its nonces.
BUILT_IN = django.VERSION >= (6, 1)

if BUILT_IN:
    from django.utils.csp import CSP

    MIDDLEWARE = ["django.middleware.csp.ContentSecurityPolicyMiddleware", *SHARED]
    told: Any = deepcopy(PLAIN)
    told[0]["OPTIONS"]["context_processors"] += ["django.template.context_processors.csp"]
    TEMPLATES = told
    SECURE_CSP = {
        "default-src": [CSP.NONE],
        "connect-src": [CSP.SELF],
        "img-src": [CSP.SELF],
        "script-src": [CSP.NONCE, CSP.STRICT_DYNAMIC],
        "style-src": [CSP.NONCE],
        "form-action": [CSP.SELF],
        "base-uri": [CSP.NONE],
    }
else:
    MIDDLEWARE = ["tests.browser.site.policy.nonces", *SHARED]
