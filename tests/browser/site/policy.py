"""The content security policies that the site's pages are sent with."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self'; script-src 'self'; "
    "style-src 'self'; form-action 'self'; base-uri 'none'"
)


def strict(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: nothing inline, nothing from elsewhere."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["Content-Security-Policy"] = POLICY
        return response

    return answer


def nonces(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: scripts only with the page's nonce, told of as django-csp does.

    For a Django whose own middleware cannot do it, or whose admin does not use it.  That admin's
    style sheets have no nonce, so its own origin stays allowed for them.
    """

    def answer(request: Any) -> HttpResponse:
        request.csp_nonce = secrets.token_urlsafe(16)
        response = get_response(request)
        response["Content-Security-Policy"] = POLICY.replace(
            "script-src 'self'", f"script-src 'nonce-{request.csp_nonce}' 'strict-dynamic'"
        )
        return response

    return answer
