/* The graph of a workflow: larger, smaller, fitted, and moved by dragging.
   Without this file it is shown in its own size and scrolls. */
"use strict";

const STEP = 1.25;
const LEAST = 0.1;
const MOST = 3;
/* Pixels that the pointer moves before it drags, so that a click stays one. */
const SLACK = 4;

const percents = new Intl.NumberFormat(document.documentElement.lang || undefined, { style: "percent" });

class Graph {
  constructor(pane, tools) {
    this.pane = pane;
    this.tools = tools;
    this.scale = 1;
    this.held = null;
    tools.addEventListener("click", (event) => this.pressed(event));
    pane.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
    pane.addEventListener("pointerdown", (event) => this.down(event));
    pane.addEventListener("pointermove", (event) => this.moved(event));
    pane.addEventListener("pointerup", () => this.up());
    pane.addEventListener("pointercancel", () => this.up());
    pane.addEventListener("click", (event) => this.clicked(event), true);
    pane.addEventListener("dragstart", (event) => event.preventDefault());
    new MutationObserver(() => this.renewed()).observe(pane, { childList: true });
    this.renewed();
    this.begin();
  }

  get drawing() {
    return this.pane.querySelector(".jm-graph-svg");
  }

  /** Pixels of the pane above the drawing: a line that explains it. */
  get above() {
    const [pane, drawing] = [this.pane, this.drawing].map((one) => one.getBoundingClientRect());
    return drawing.top - pane.top + this.pane.scrollTop;
  }

  /** Open a large drawing where it begins: the first node comes as near to the middle as it can. */
  begin() {
    const first = this.drawing?.querySelector("a");
    if (!first) return;
    const [pane, node] = [this.pane, first].map((one) => one.getBoundingClientRect());
    this.pane.scrollLeft += node.left - pane.left - (pane.width - node.width) / 2;
    this.pane.scrollTop += node.top - pane.top - (pane.height - node.height) / 2;
  }

  /** The page was drawn anew: keep the size that was chosen. */
  renewed() {
    this.tools.hidden = !this.drawing;
    if (this.drawing) this.apply();
  }

  apply() {
    const { width, height } = this.drawing.viewBox.baseVal;
    this.drawing.setAttribute("width", Math.round(width * this.scale));
    this.drawing.setAttribute("height", Math.round(height * this.scale));
    this.tools.querySelector('[data-by="one"]').textContent = percents.format(this.scale);
  }

  /** Change the size; the point (x, y) of the pane stays where it is. */
  zoom(scale, x = this.pane.clientWidth / 2, y = this.pane.clientHeight / 2) {
    const before = this.scale;
    this.scale = Math.min(Math.max(scale, LEAST), MOST);
    this.apply();
    const grown = this.scale / before;
    const { above } = this;
    this.pane.scrollLeft = (this.pane.scrollLeft + x) * grown - x;
    this.pane.scrollTop = (this.pane.scrollTop + y - above) * grown + above - y;
  }

  fit() {
    const { width, height } = this.drawing.viewBox.baseVal;
    const wide = this.pane.clientWidth / width;
    const high = (window.innerHeight * 0.75 - this.above) / height;
    this.zoom(Math.min(wide, high, 1));
  }

  pressed(event) {
    const by = event.target.closest("[data-by]")?.dataset.by;
    if (by === "in") this.zoom(this.scale * STEP);
    if (by === "out") this.zoom(this.scale / STEP);
    if (by === "one") this.zoom(1);
    if (by === "fit") this.fit();
  }

  wheeled(event) {
    if (!event.ctrlKey || !this.drawing) return;
    event.preventDefault();
    const box = this.pane.getBoundingClientRect();
    const factor = Math.exp(-event.deltaY / 300);
    this.zoom(this.scale * factor, event.clientX - box.left, event.clientY - box.top);
  }

  down(event) {
    if (event.button !== 0 || event.pointerType === "touch" || !this.drawing) return;
    this.held = { x: event.clientX, y: event.clientY, left: this.pane.scrollLeft, top: this.pane.scrollTop };
    this.dragged = false;
  }

  moved(event) {
    if (!this.held) return;
    const [x, y] = [event.clientX - this.held.x, event.clientY - this.held.y];
    if (!this.dragged && Math.hypot(x, y) < SLACK) return;
    if (!this.dragged) this.pane.setPointerCapture(event.pointerId);
    this.dragged = true;
    this.pane.classList.add("jm-graph-held");
    this.pane.scrollLeft = this.held.left - x;
    this.pane.scrollTop = this.held.top - y;
  }

  up() {
    this.held = null;
    this.pane.classList.remove("jm-graph-held");
  }

  /** The end of a drag is not a click on what lies below. */
  clicked(event) {
    if (!this.dragged) return;
    this.dragged = false;
    event.preventDefault();
    event.stopPropagation();
  }
}

const pane = document.querySelector('[data-jobman-region="graph"]');
const tools = document.querySelector("[data-jobman-zoom]");
if (pane && tools) new Graph(pane, tools);
