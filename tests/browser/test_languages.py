"""Words of other languages: longer ones fit into a narrow window, and scripts speak them too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.browser.screens import LIST, SCREENS
from tests.languages import pseudo

if TYPE_CHECKING:
    from tests.browser.sites import Site
    from tests.browser.windows import Window

#: What ours says, and a reader sees.
SPOKEN = "() => document.querySelector('.jm').innerText"


def test_pages_with_longer_words_do_not_scroll_sideways(window: Window, site: Site) -> None:
    window.speak(pseudo.LANGUAGE)

    wide = {}
    for name, address in SCREENS.items():
        page = window.open(address.format(**site.jobs))
        window.settle()
        assert pseudo.OURS[0] in page.evaluate(SPOKEN), name
        for width in (390, 320):
            window.narrow(width)
            wide[f"{name}, {width} px"] = window.overflow()

    assert {name: found for name, found in wide.items() if found} == {}
    assert window.complaints == []


def test_a_script_speaks_the_language_of_the_page(window: Window, site: Site) -> None:
    window.speak("de")

    page = window.open(f"{LIST}{site.jobs['running']}/change/")
    page.get_by_text("Neue Zeilen erscheinen hier.").wait_for()
    page.get_by_role("button", name="Folgt").click()
    page.get_by_role("button", name="Folgen").wait_for()

    window.open(LIST).get_by_text("Stand: ").wait_for()
