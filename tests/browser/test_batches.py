"""What people do with batches, and how a graph is looked at."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.browser.screens import BATCH_LIST

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

    from tests.browser.sites import Site
    from tests.browser.windows import Window

DRAWING = ".jm-graph-svg"
THICKNESS = "(one) => parseFloat(getComputedStyle(one).strokeWidth)"


@pytest.fixture
def graph(window: Window, site: Site) -> Page:
    page = window.open(f"{BATCH_LIST}{site.jobs['workflow']}/graph/")
    page.locator("[data-jobman-zoom]").wait_for()
    return page


def wide(page: Page) -> float:
    return float(page.locator(DRAWING).get_attribute("width") or 0)


def test_what_is_cancelled_in_one_window_is_seen_in_another(
    windows: Callable[..., Window], site: Site
) -> None:
    watching, acting = windows(), windows()
    address = f"{BATCH_LIST}{site.jobs['batch to cancel']}/change/"
    seen = watching.open(address)
    page = acting.open(BATCH_LIST)

    page.get_by_role("link", name="To be cancelled").click()
    page.get_by_role("link", name="Cancel remaining…").click()
    page.get_by_role("textbox", name="Reason").fill("wrong list")
    page.get_by_role("button", name="Cancel what remains").click()

    page.get_by_text("The batch was cancelled.").wait_for()
    seen.locator(".jm-standing").get_by_text("Cancelled").wait_for()
    seen.get_by_text("wrong list").wait_for()
    assert watching.complaints == []
    assert acting.complaints == []


@pytest.mark.parametrize("flow", ["", "?flow=down"])
def test_a_graph_that_is_too_large_opens_where_it_begins(
    window: Window, site: Site, flow: str
) -> None:
    window.page.set_viewport_size({"width": 360, "height": 320})

    page = window.open(f"{BATCH_LIST}{site.jobs['workflow']}/graph/{flow}")
    page.locator("[data-jobman-zoom]").wait_for()

    pane = page.locator('[data-jobman-region="graph"]').bounding_box()
    node = page.locator(f"{DRAWING} a").first.bounding_box()
    assert pane
    assert node
    assert pane["x"] <= node["x"] <= pane["x"] + pane["width"] - node["width"]
    assert pane["y"] <= node["y"] <= pane["y"] + pane["height"] - node["height"]


def test_a_failed_batch_is_retried_without_scripts(
    windows: Callable[..., Window], site: Site
) -> None:
    page = windows(javascript=False).open(f"{BATCH_LIST}?state=failed")

    page.get_by_role("link", name="Mails of March").click()
    page.get_by_role("link", name="Retry 2 failed…").click()
    page.get_by_role("radio", name="What failed", exact=True).check()
    page.get_by_role("button", name="Retry the batch").click()

    page.get_by_text("2 jobs run again").wait_for()
    assert site.jobs["failed batch"] in page.url
    assert page.locator(".jm-standing .jm-badge").inner_text() == "Running"


def test_a_group_of_failures_leads_to_its_jobs_without_scripts(
    windows: Callable[..., Window], site: Site
) -> None:
    window = windows(javascript=False)
    page = window.open(f"{BATCH_LIST}{site.jobs['many errors']}/change/")
    failures = page.locator('[data-jobman-region="failures"]')

    assert failures.get_by_role("listitem").count() == 5
    failures.get_by_role("link", name="3 jobs").click()

    page.locator("#result_list").wait_for()
    assert page.locator("#result_list .jm-task").count() == 3
    assert page.locator("#result_list").get_by_text("ReadTimeout").count() == 3
    assert window.complaints == []


def test_the_nodes_of_a_graph_are_reached_in_the_order_in_which_they_run(graph: Page) -> None:
    links = graph.locator(f"{DRAWING} a")
    links.first.focus()

    reached = []
    for _ in range(links.count()):
        reached.append(graph.evaluate("document.activeElement.getAttribute('aria-label')"))
        graph.keyboard.press("Tab")

    assert [said.split(",")[0] for said in reached] == [
        *("fetch", "split", "regions", "import_branch", "publish", "merge", "index"),
        *("rebuild_statistics", "Chain", "warm_up", "notify", "report_to_everyone_who_asked"),
    ]


def test_a_graph_keeps_its_size_when_it_is_drawn_anew(graph: Page) -> None:
    natural = wide(graph)

    graph.get_by_role("button", name="Larger").click()
    assert wide(graph) == pytest.approx(natural * 1.25, abs=1)
    graph.get_by_role("button", name="Fit").click()
    fitted = wide(graph)
    assert fitted < natural

    _draw_anew(graph)
    assert wide(graph) == fitted
    graph.get_by_role("button", name="%").click()
    assert wide(graph) == natural


def test_a_graph_runs_down_and_does_so_when_it_is_drawn_anew(graph: Page) -> None:
    tools = graph.get_by_role("group", name="Direction")
    assert _chosen(tools) == "Left to right"
    assert _lead(graph) == ["right", "right"]

    tools.get_by_role("link", name="Top to bottom").click()
    graph.wait_for_url("**?flow=down")
    assert _chosen(tools) == "Top to bottom"
    assert _lead(graph) == ["down", "down"]

    _draw_anew(graph)
    assert _lead(graph) == ["down", "down"]


def test_what_took_longest_is_drawn_with_thicker_lines(window: Window, site: Site) -> None:
    page = window.open(f"{BATCH_LIST}{site.jobs['ended workflow']}/graph/")

    assert [_thickness(page, name) for name in ("countries", "large ones", "mail_weekly")] == [
        3
    ] * 3
    assert max(_thickness(page, name) for name in ("small ones", "count_1", "compare")) < 2
    assert page.get_by_text("Bold: what took longest.").is_visible()


def test_the_explanation_stays_in_sight_while_a_graph_is_moved_sideways(
    window: Window, site: Site
) -> None:
    page = window.open(f"{BATCH_LIST}{site.jobs['ended workflow']}/graph/")
    told = page.get_by_text("Bold: what took longest.")
    before = _box(told)

    page.locator('[data-jobman-region="graph"]').evaluate("(pane) => { pane.scrollLeft = 120; }")

    assert _box(told)["x"] == pytest.approx(before["x"], abs=2)
    page.get_by_role("button", name="Fit").click()
    pane = page.locator('[data-jobman-region="graph"]')
    assert pane.evaluate("(pane) => pane.scrollHeight - pane.clientHeight") <= 1


def test_a_graph_is_moved_by_dragging_and_a_click_still_follows_a_link(graph: Page) -> None:
    pane = graph.locator('[data-jobman-region="graph"]')
    node = graph.get_by_role("link", name="split, Succeeded")
    box = _box(node)

    graph.mouse.move(box["x"] + 20, box["y"] + 20)
    graph.mouse.down()
    graph.mouse.move(box["x"] - 80, box["y"] + 20, steps=4)
    graph.mouse.up()

    assert pane.evaluate("(pane) => pane.scrollLeft") == pytest.approx(100, abs=2)
    assert "/graph/" in graph.url
    node.click()
    graph.wait_for_url("**/job/*/change/")


def _box(node: Locator) -> dict[str, float]:
    box = node.bounding_box()
    assert box
    return {"x": box["x"], "y": box["y"]}


def _draw_anew(page: Page) -> None:
    """Wait until the page has fetched the drawing again."""
    region = page.locator('[data-jobman-region="graph"]')
    region.evaluate("(region) => { region.dataset.jobmanVersion = 'old'; }")
    region.locator("svg").first.evaluate("(drawing) => { drawing.dataset.old = ''; }")
    page.locator(f"{DRAWING}:not([data-old])").wait_for()


def _chosen(tools: Locator) -> str:
    return tools.locator("[aria-current]").inner_text()


def _thickness(page: Page, name: str) -> float:
    """Return how thick the outline of a node or of a box is."""
    link = f"a[aria-label^='{name},']"
    outline = f":is(g:has(> {link}) > .jm-graph-box, {link} .jm-graph-face)"
    thick: float = page.locator(f"{DRAWING} {outline}").first.evaluate(THICKNESS)
    return thick


def _lead(page: Page) -> list[str]:
    """Return where each node in a series lies, seen from the one before."""
    names = ("fetch", "split", "report_to_everyone_who_asked")
    places = [_box(page.locator(f"{DRAWING} a[aria-label^='{name},']")) for name in names]
    steps = [(to["x"] - at["x"], to["y"] - at["y"]) for at, to in pairwise(places)]
    return ["right" if x > 50 > abs(y) else "down" if y > 50 > abs(x) else "" for x, y in steps]
