"""A window of the browser on the site, and what can be asked of the page in it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response

#: Nothing that a browser does by itself, and no sandbox, which containers do not allow.
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

#: Milliseconds that a page is given to fall silent.
PATIENCE: Final = 10_000

RULES: Final = ("wcag2a", "wcag2aa", "wcag21aa", "wcag22aa")

#: The one that a theme's colours may break.
CONTRAST: Final = ("color-contrast",)

#: What is ours alone; the table of the list is drawn by the theme.
OURS: Final = ".jm:not(.jm-list), .jm-cell"

#: Written to the console, where every other complaint is too.
REPORT: Final = """
document.addEventListener("securitypolicyviolation", (event) => {
    const place = event.target.closest?.("OURS") ? "in our part" : "";
    const file = event.sourceFile === location.href ? "" : event.sourceFile || "";
    console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${file} ${place}`);
});
""".replace("OURS", OURS)

#: What scrolls sideways, the document or a box around our part, and what makes it do so.
OVERFLOW: Final = """() => {
    const boxes = [document.scrollingElement];
    for (let box = document.querySelector(".jm"); box; box = box.parentElement) boxes.push(box);
    const scrolling = boxes.filter((box) => box.scrollWidth > box.clientWidth + 1);
    if (!scrolling.length) return [];
    const name = (one) => `${one.tagName.toLowerCase()}.${one.getAttribute("class")}`;
    const right = document.scrollingElement.clientWidth + 1;
    const wide = [...document.querySelectorAll("body *")].filter(
        (one) => one.getBoundingClientRect().right > right
    );
    return [...scrolling.map((box) => `${name(box)}: ${box.scrollWidth} px`),
            ...wide.slice(0, 8).map(name)];
}"""

#: Colours that fade from one theme into the other are where they are going.
FADED: Final = """() => document.getAnimations().forEach(
    (one) => { if (one instanceof CSSTransition) one.finish(); }
)"""

#: Everything a reader learns from our part, with numbers that tick replaced.
FACTS: Final = """() => [...document.querySelectorAll(
    ".jm h2, .jm dt, .jm dd, .jm td, .jm th, .jm .jm-badge"
)].filter((one) => one.checkVisibility()).map((one) => {
    const copy = one.cloneNode(true);
    copy.querySelectorAll("button").forEach((button) => button.remove());
    return copy.textContent.replace(/\\d+/g, "0").replace(/\\s+/g, " ").trim();
}).filter(Boolean)"""


class Window:
    """One window, with all that the browser complains about.

    Args:
        browser: The browser that it is opened in.
        url: The site.
        session: The key of a session of someone who is signed in.
        javascript: Whether scripts run.
        lenient: Whether the site's policy is left out, for themes that do not work under it.
    """

    def __init__(
        self,
        browser: Browser,
        url: str,
        session: str,
        *,
        javascript: bool = True,
        lenient: bool = False,
    ) -> None:
        self.complaints: list[str] = []
        self._url = url
        self._context: BrowserContext = browser.new_context(
            base_url=url,
            java_script_enabled=javascript,
            bypass_csp=lenient,
            viewport={"width": 1280, "height": 900},
        )
        self._context.set_default_timeout(40_000)
        self._context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
        self.page: Page = self._context.new_page()
        if javascript:
            self.page.add_init_script(REPORT)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"raised: {error}"))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text} {message.location}")

    def open(self, path: str) -> Page:
        """Go to an address, which must be there."""
        response: Response | None = self.page.goto(self._url + path)
        assert response
        assert response.status == 200, f"{path}: {response.status}"
        return self.page

    def speak(self, language: str) -> None:
        """Ask for pages in a language."""
        self._context.add_cookies(
            [{"name": "django_language", "value": language, "url": self._url}]
        )

    def settle(self) -> None:
        """Wait until the scripts have asked for what they ask for first.

        A page that asks again and again is never idle on a busy machine; it has waited enough.
        """
        from playwright.sync_api import TimeoutError as Impatience  # noqa: PLC0415 - may be missing

        self.page.wait_for_load_state("load")
        with contextlib.suppress(Impatience):
            self.page.wait_for_load_state("networkidle", timeout=PATIENCE)

    def recolour(self, *, dark: bool) -> None:
        """Show the page as a system with a dark or a light theme does."""
        self.page.emulate_media(color_scheme="dark" if dark else "light")
        self.page.evaluate(FADED)

    def narrow(self, width: int) -> None:
        """Make the window so many pixels wide."""
        self.page.set_viewport_size({"width": width, "height": 900})

    def violations(self, rules: tuple[str, ...] = RULES, *, part: str = ".jm") -> list[str]:
        """Return what axe finds wrong with our part of the page."""
        from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - may be missing

        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(Axe().axe_script)
        options = {"runOnly": list(rules), "resultTypes": ["violations"]}
        answer = self.page.evaluate("(asked) => axe.run(...asked)", [part, options])
        found = answer["violations"]
        return [_described(rule, node) for rule in found for node in rule["nodes"]]

    def overflow(self) -> list[str]:
        """Return the page's width and the elements that make it scroll sideways."""
        found: list[str] = self.page.evaluate(OVERFLOW)
        return found

    def facts(self) -> list[str]:
        """Return the texts of our part of the page, in order."""
        found: list[str] = self.page.evaluate(FACTS)
        return found

    def close(self) -> None:
        self._context.close()


def _described(rule: dict[str, Any], node: dict[str, Any]) -> str:
    reasons = [check["message"] for kind in ("any", "all", "none") for check in node[kind]]
    return f"{rule['id']}: {node['target']} {node['html'][:160]} {' '.join(reasons)[:300]}"
