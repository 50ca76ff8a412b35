// The list of jobs: renews the rows in view, counts the states, and tells of new jobs.
// Without this script the page is the same and is renewed by loading it again.

// Milliseconds after which an answer is not waited for any longer.
const PATIENCE = 20000;
const STORED = "jobman.list.live";

const numbers = new Intl.NumberFormat(document.documentElement.lang || undefined);

const panel = document.querySelector(".jm-live");
const tabs = document.querySelector(".jm-tabs[data-counts]");

function address(url, more) {
  const query = new URLSearchParams(window.location.search);
  for (const [name, value] of Object.entries(more)) query.set(name, value);
  return `${url}?${query}`;
}

async function ask(url, signal) {
  const response = await fetch(url, { signal, headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

async function count() {
  try {
    const { counts } = await ask(address(tabs.dataset.counts, {}));
    for (const place of tabs.querySelectorAll("[data-count]")) {
      place.textContent = counts[place.dataset.count] ?? "";
    }
  } catch {
    // The numbers are an extra; the links work without them.
  }
}

function inView(row) {
  const box = row.getBoundingClientRect();
  return box.bottom > 0 && box.top < window.innerHeight;
}

// Someone is working with the row: it was ticked, or holds the focus or selected text.
function inUse(row) {
  const tick = row.querySelector("input.action-select");
  if ((tick && tick.checked) || row.contains(document.activeElement)) return true;
  const selection = document.getSelection();
  return Boolean(selection) && !selection.isCollapsed && selection.containsNode(row, true);
}

function rows() {
  const found = new Map();
  for (const cell of document.querySelectorAll("#result_list [data-job][data-cell]")) {
    const row = cell.closest("tr");
    if (row && !found.has(cell.dataset.job)) found.set(cell.dataset.job, row);
  }
  return found;
}

function renew(row, cells) {
  for (const [name, html] of Object.entries(cells)) {
    const place = row.querySelector(`[data-cell="${name}"] .jm-cell`);
    if (!place) continue;
    const fresh = new DOMParser().parseFromString(html, "text/html").body;
    if (fresh.innerHTML.trim() !== place.innerHTML.trim()) place.replaceChildren(...fresh.childNodes);
  }
}

class Live {
  constructor(element) {
    this.element = element;
    this.select = element.querySelector("[data-live]");
    this.asof = element.querySelector("[data-asof-text]");
    this.trouble = element.querySelector("[data-trouble]");
    this.news = element.querySelector("[data-new]");
    this.heard = Date.now();
    this.timer = 0;
    this.request = null;
  }

  start() {
    let stored = null;
    try { stored = window.localStorage.getItem(STORED); } catch { /* not permitted: keep the default */ }
    if ([...this.select.options].some((option) => option.value === stored)) this.select.value = stored;
    this.element.querySelector("[data-live-choice]").hidden = false;
    this.select.addEventListener("change", () => {
      try { window.localStorage.setItem(STORED, this.select.value); } catch { /* as above */ }
      this.turn();
    });
    document.addEventListener("visibilitychange", () => this.turn());
    this.turn(this.interval());
  }

  interval() {
    return Number(this.select.value) * 1000;
  }

  turn(delay = 0) {
    window.clearTimeout(this.timer);
    this.request?.abort();
    this.request = null;
    if (this.select.value === "off") {
      this.say(this.trouble, "");
    } else if (document.visibilityState === "visible") {
      this.timer = window.setTimeout(() => this.poll(), delay);
    }
  }

  async poll() {
    const request = new AbortController();
    this.request = request;
    const shown = [...rows()].filter(([, row]) => inView(row)).map(([id]) => id);
    const url = address(this.element.dataset.states, { ids: shown.join(","), newest: this.element.dataset.newest });
    const limit = window.setTimeout(() => request.abort(), PATIENCE);
    try {
      this.show(await ask(url, request.signal));
    } catch {
      if (this.request !== request) return;
      this.lost();
    } finally {
      window.clearTimeout(limit);
    }
    if (this.request === request) this.turn(this.interval());
  }

  show(answer) {
    const present = rows();
    for (const [id, cells] of Object.entries(answer.rows)) {
      const row = present.get(id);
      if (row && !inUse(row)) renew(row, cells);
    }
    if (answer.new) this.say(this.news, answer.new);
    this.news.hidden = !this.news.textContent;
    this.heard = Date.now();
    this.say(this.trouble, answer.trouble ?? "");
    this.say(this.asof, this.element.dataset.asof.replace("%s", answer.at));
  }

  lost() {
    const seconds = Math.round((Date.now() - this.heard) / 1000);
    this.say(this.trouble, this.element.dataset.lost.replace("%s", numbers.format(seconds)));
  }

  say(place, text) {
    if (place.textContent !== text) place.textContent = text;
  }
}

if (tabs) count();
if (panel) new Live(panel).start();
