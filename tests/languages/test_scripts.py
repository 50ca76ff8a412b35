"""What the scripts say comes from the page, which is translated, and not from themselves."""

from __future__ import annotations

import re
from typing import Final

from tests.architecture.sources import PACKAGE

COMMENT: Final = re.compile(r"/\*.*?\*/|(?<![:\w])//[^\n]*", re.DOTALL)
FILLED_IN: Final = re.compile(r"\$\{[^}]*\}")
LITERAL: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`')
#: A text that is shown, heard or put into the page as HTML.
SHOWN: Final = re.compile(
    r"(?:\.(?:textContent|innerText|innerHTML|title|placeholder|ariaLabel|alt)\s*=\s*"
    r'|setAttribute\("(?:title|alt|placeholder|aria-(?:label|description))",\s*'
    r"|\b(?:alert|confirm|prompt|say|tell)\()([\"`][^\"`]*[A-Za-z][^\"`]*)"
)
#: Two words, one after the other, that are no names of style classes.
SENTENCE: Final = re.compile(r"\b(?!jm-)[A-Za-z]{2,} (?!jm-)[a-z]{2,}")
#: Texts of two words that nobody reads.
UNREAD: Final = {'"use strict"'}


def _words(script: str) -> list[str]:
    """Return the texts in a script that people may read."""
    code = FILLED_IN.sub("", COMMENT.sub("", script))
    texts = [text for text in LITERAL.findall(code) if SENTENCE.search(text)]
    return [text for text in texts if text not in UNREAD] + SHOWN.findall(code)


def test_no_script_has_words_of_its_own() -> None:
    scripts = list((PACKAGE / "static" / "jobman").glob("*.js"))
    found = {path.name: _words(path.read_text(encoding="utf-8")) for path in scripts}

    assert scripts
    assert {name: words for name, words in found.items() if words} == {}


def test_words_in_a_script_are_found() -> None:
    assert _words('x.textContent = "Lost";') == ['"Lost']
    assert _words('say("Lost")') == ['"Lost']
    assert _words('const text = "The job is gone";') == ['"The job is gone"']
    assert _words('"use strict"; // Not a word here\nx.textContent = "";') == []
    assert _words('say(`${a.b} ${c}`); x.className = "jm-btn jm-changed"; tell(lost)') == []
