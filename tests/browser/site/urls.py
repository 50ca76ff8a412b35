"""The site's addresses: the admin, and a page that breaks all the rules."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from tests.browser.site.settings import THEME
from tests.urls import urlpatterns as shared

#: The tests of the tests: whoever finds nothing here looks at nothing.
BROKEN = """<!doctype html><html lang="en"><head><title>Broken</title>
<link rel="stylesheet" href="/static/admin/css/base.css"></head><body>
<div class="jm"><img src="/nowhere.png"><p style="color: #aaa">pale</p>
<button aria-label=""></button><table><tr><td>{}</td></tr></table></div>
<script>document.title = "ran";</script></body></html>"""


def broken(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(BROKEN.replace("{}", "wide" * 500))


def icon(_request: HttpRequest) -> HttpResponse:
    """Answer what browsers ask of any site."""
    return HttpResponse(status=204)


urlpatterns = [path("broken/", broken), path("favicon.ico", icon), *shared]
if THEME == "grappelli":
    urlpatterns.append(path("grappelli/", include("grappelli.urls")))
