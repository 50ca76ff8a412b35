"""Bring the catalogues up to date with the source: ``python -m tests.languages``.

Writes ``celery_jobman/locale/*/LC_MESSAGES/django.po`` and compiles it.  The programs of GNU
gettext are not needed.
"""

from __future__ import annotations

from tests.languages.catalogues import LANGUAGES, path, refresh
from tests.languages.marked import messages


def main() -> None:
    found = messages()
    for language in LANGUAGES:
        missing = refresh(language, found)
        print(f"{path(language)}: {len(found)} texts, {missing} to be translated")  # noqa: T201 - a command


if __name__ == "__main__":
    main()
