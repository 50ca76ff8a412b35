"""Every page can be found, and none says where it was written."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import DOCS, README, ROOT, pages

INDEX = (DOCS / "index.md").read_text(encoding="utf-8")


def test_every_page_is_in_the_table_of_contents() -> None:
    names = {page.relative_to(DOCS).with_suffix("").as_posix() for page in pages()}

    assert names - {"index"} - set(INDEX.split()) == set()


@pytest.mark.parametrize(
    "page",
    [README, ROOT / "CONTRIBUTING.md", *pages()],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_a_page_names_no_machine(page: object) -> None:
    text = page.read_text(encoding="utf-8")  # type: ignore[attr-defined]

    assert re.findall(r"(?<![\w/])/(?:root|work|home)/\S*", text) == []


@pytest.mark.parametrize("path", sorted((DOCS / "changelog.d").glob("*.md")), ids=lambda p: p.name)
def test_a_fragment_is_one_sentence_with_a_kind(path: object) -> None:
    name, text = path.name, path.read_text(encoding="utf-8").strip()  # type: ignore[attr-defined]
    if name == "README.md":
        return

    assert re.fullmatch(r"\+[a-z0-9-]+\.(added|changed|fixed|removed)\.md", name)
    assert text.endswith(".")
    assert "\n\n" not in text
