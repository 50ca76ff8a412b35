from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import polib
import pytest

from tests.architecture.sources import PACKAGE
from tests.languages.marked import Message, NotConstant, in_python, in_template, messages

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
from django.utils.translation import gettext as _, gettext_lazy, ngettext_lazy as many
from django.utils.translation import pgettext, npgettext

A = _("one" " text")
B = many("%(n)s day", "%(n)s days", "n")
C = pgettext("time", "at"), npgettext("time", "a", "b", 2), gettext_lazy("late")
D = other("no text")
"""

TEMPLATE = """{% load i18n %}{# no text #}<p title="{% translate "a 'b'" %}">{{ _("c")|upper }}
{% blocktranslate trimmed with n=1 %}
  {{ n }} of %
{% endblocktranslate %}{% translate "at" context "time" %}
{% blocktranslate trimmed count n=n context "time" %}{{ n }} day
{% plural %}{{ n }} days{% endblocktranslate %}
{% translate "(f), count" %}{% if x == _("d") %}{% endif %}"""


def test_texts_of_a_module_are_found() -> None:
    assert list(in_python(MODULE)) == [
        Message("", "one text"),
        Message("", "%(n)s day", "%(n)s days"),
        Message("time", "at"),
        Message("time", "a", "b"),
        Message("", "late"),
    ]


def test_a_name_is_no_text() -> None:
    assert not list(in_python("from django.utils.translation import gettext as _\n_(TEXT)"))


@pytest.mark.parametrize("text", ['f"{x}"', '"a" + x', "x[0]"])
def test_a_text_that_nobody_can_translate_is_refused(text: str) -> None:
    with pytest.raises(NotConstant):
        list(in_python(f"from django.utils.translation import gettext as _\n_({text})"))


def test_texts_of_a_template_are_found() -> None:
    assert list(in_template(TEMPLATE)) == [
        Message("", "a 'b'"),
        Message("", "c"),
        Message("", "%(n)s of %%"),
        Message("time", "at"),
        Message("time", "%(n)s day", "%(n)s days"),
        Message("", "(f), count"),
        Message("", "d"),
    ]


@pytest.mark.skipif(not shutil.which("xgettext"), reason="no xgettext")
def test_django_finds_the_same_texts(tmp_path: Path) -> None:
    copy = shutil.copytree(PACKAGE, tmp_path / "package", ignore=shutil.ignore_patterns("locale"))
    (copy / "locale").mkdir()
    command = [sys.executable, "-m", "django", "makemessages", "--locale", "de"]

    subprocess.run(command, cwd=copy, check=True, capture_output=True, timeout=120)

    found = polib.pofile(str(copy / "locale" / "de" / "LC_MESSAGES" / "django.po"))
    theirs = {Message(entry.msgctxt or "", entry.msgid, entry.msgid_plural) for entry in found}
    assert theirs == set(messages())
