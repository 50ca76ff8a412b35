"""Reading changes nothing: every link is followed, and the tables stay as they were."""

from __future__ import annotations

from collections import deque
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError
from urllib.parse import urldefrag, urljoin, urlsplit
from urllib.request import Request, urlopen

from tests.browser.screens import JOBS, LIST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.sites import Site

BELOW: Final = "/admin/jobman/"

#: Pages with a form that changes something when it is sent.
VERBS: Final = ("cancel", "retry", "retry-from", "edit-retry", "priority", "reschedule")

#: Most pages that are fetched: filters can be combined without end.
ENOUGH: Final = 150

#: Where an address may stand in a page.
ADDRESSES: Final = frozenset({"href", "action", "src"})


class Links(HTMLParser):
    """Collects the addresses of a page, those that only its scripts use as well."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        self.found += [
            value
            for name, value in attrs
            if value and (name in ADDRESSES or (name.startswith("data-") and value[0] in "/?"))
        ]


def test_following_every_link_changes_nothing(site: Site) -> None:
    before = site.dump()

    answers = dict(_crawl(site, [BELOW, LIST]))

    assert site.dump() == before
    assert len(answers) > len(JOBS)
    assert {path: status for path, status in answers.items() if status >= 500} == {}
    assert {path: status for path, status in answers.items() if status == 404} == {}


def test_looking_at_every_form_changes_nothing(site: Site) -> None:
    before = site.dump()

    answers = {
        path: _fetch(site, path)[0]
        for job_id in site.jobs.values()
        for path in (f"{LIST}{job_id}/{verb}/" for verb in VERBS)
    }

    assert site.dump() == before
    assert {path: status for path, status in answers.items() if status >= 500} == {}


def _crawl(site: Site, starts: list[str]) -> Iterator[tuple[str, int]]:
    seen = set(starts)
    waiting = deque(starts)
    for _ in range(ENOUGH):
        if not waiting:
            return
        path = waiting.popleft()
        status, text = _fetch(site, path)
        yield path, status
        new = [link for link in _links(path, text) if link not in seen]
        seen.update(new)
        waiting.extend(dict.fromkeys(new))


def _links(path: str, text: str) -> list[str]:
    parser = Links()
    parser.feed(text)
    joined = (urldefrag(urljoin(path, link)).url for link in parser.found)
    return [link for link in joined if not urlsplit(link).netloc and link.startswith(BELOW)]


def _fetch(site: Site, path: str) -> tuple[int, str]:
    cookie = f"sessionid={site.sessions['root']}"
    request = Request(site.url + path, headers={"Cookie": cookie})  # noqa: S310 - our own site
    try:
        with urlopen(request, timeout=30) as response:  # noqa: S310 - as above
            html = response.headers.get_content_type() == "text/html"
            return response.status, response.read().decode() if html else ""
    except HTTPError as error:
        with error:
            return error.code, ""
