"""Measure how smooth the page of a job stays while its log grows by 1,000 lines a second.

``python -m tests.benchmarks.tail`` needs Chromium and Playwright, and takes as many seconds as it
is told.  It prints frames per second, long tasks, and what is held; it asserts nothing: figures
depend on the machine, and on what else it does.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.browser.floods import PACE, Flood
from tests.browser.screens import LIST
from tests.browser.sites import Site
from tests.browser.windows import ARGUMENTS, Window

#: Counts frames and long tasks from now on, and how late each frame was.
WATCH: Final = """() => {
    const seen = (window.seen = { frames: [], long: [] });
    const frame = (at) => { seen.frames.push(at); requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
    new PerformanceObserver((list) => seen.long.push(...list.getEntries().map((e) => e.duration)))
        .observe({ entryTypes: ["longtask"] });
}"""
#: What was seen, and what the log's box holds.
REPORT: Final = """() => {
    const { frames, long } = window.seen;
    const box = document.querySelector("[data-jobman-log-box]");
    const gaps = frames.slice(1).map((at, index) => at - frames[index]).sort((a, b) => a - b);
    return {
        frames_per_second: (frames.length - 1) / (frames.at(-1) - frames[0]) * 1000,
        longest_frame_ms: gaps.at(-1),
        frame_p99_ms: gaps[Math.floor(gaps.length * 0.99)],
        long_tasks: long.length,
        longest_task_ms: Math.max(0, ...long),
        lines: box.textContent.split("\\n").length - 1,
        nodes: box.querySelectorAll("*").length,
        heap_mb: (performance.memory?.usedJSHeapSize ?? 0) / 1e6,
    };
}"""


def main() -> int:
    options = _options()
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.stderr.write("tail: there is no chromium on the path\n")
        return 2
    found = _measured(chromium, options.seconds)
    for name, value in found.items():
        sys.stdout.write(f"{name:<18} {value:,.1f}\n")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.tail", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="how long (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    return parser.parse_args()


def _measured(chromium: str, seconds: int) -> dict[str, float]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - may be missing

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        site = Site(Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        try:
            return _watched(
                Window(browser, site.url, site.sessions["root"], javascript=True), site, seconds
            )
        finally:
            browser.close()
            site.close()


def _watched(window: Window, site: Site, seconds: int) -> dict[str, float]:
    flood = Flood(PACE * seconds)
    window.page.route("**/log/?*", flood.answer)
    page: Any = window.open(f"{LIST}{site.jobs['running']}/change/")
    page.locator("[data-jobman-log-box]").scroll_into_view_if_needed()
    page.evaluate(WATCH)
    page.wait_for_timeout(seconds * 1_000)
    return dict(page.evaluate(REPORT))


if __name__ == "__main__":
    sys.exit(main())
