/* The page of one job: asks every few seconds which regions changed, and shows them.
   Without this file the page shows the same, as of when it was loaded. */
"use strict";

const SLOWEST = 5;
const GROWTH = 1.25;
const PATIENCE = 30;
const KEPT = "jobman-live";
const AFTERGLOW = 2;

const numbers = new Intl.NumberFormat(document.documentElement.lang || undefined);

/** Copy text; on plain http browsers offer only the old way. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyByHand(text);
  }
}

function copyByHand(text) {
  const field = document.createElement("textarea");
  const before = document.activeElement;
  field.value = text;
  field.readOnly = true;
  field.className = "jm-hidden-text";
  document.querySelector(".jm-page").append(field);
  field.select();
  let done = false;
  try {
    done = document.execCommand("copy");
  } catch {
    done = false;
  }
  field.remove();
  before?.focus({ preventScroll: true });
  return done;
}

class Page {
  constructor(root) {
    this.root = root;
    this.texts = root.dataset;
    this.said = root.querySelector("[data-jobman-said]");
    this.lost = root.querySelector("[data-jobman-lost]");
    this.pace = root.querySelector("[data-jobman-pace]");
    this.timer = 0;
    this.asking = false;
    this.over = root.dataset.final === "1";
    this.failures = 0;
    this.seen = Date.now();
    this.delay = 1;
    root.classList.add("jm-js");
    root.addEventListener("click", (event) => this.clicked(event));
    if (!this.over) this.start();
  }

  start() {
    const kept = this.remembered();
    if ([...this.pace.options].some((option) => option.value === kept)) this.pace.value = kept;
    this.pace.closest("[data-jobman-live]").hidden = false;
    this.pace.addEventListener("change", () => this.chosen());
    document.addEventListener("visibilitychange", () => this.shown());
    this.again();
  }

  remembered() {
    try {
      return localStorage.getItem(KEPT);
    } catch {
      return null;
    }
  }

  chosen() {
    try {
      localStorage.setItem(KEPT, this.pace.value);
    } catch {
      // It is not remembered then.
    }
    this.again();
  }

  shown() {
    clearTimeout(this.timer);
    if (!document.hidden && this.least) this.ask();
  }

  /** The chosen number of seconds; 0 is off. */
  get least() {
    return Number(this.pace.value);
  }

  /** Begin anew with the chosen pace. */
  again() {
    this.delay = this.least;
    this.wait(this.delay);
  }

  wait(seconds) {
    clearTimeout(this.timer);
    if (this.over || !this.least || document.hidden) return;
    this.timer = setTimeout(() => this.ask(), seconds * 1000);
  }

  address() {
    const url = new URL(this.root.dataset.stateUrl, location.href);
    for (const region of this.regions()) {
      url.searchParams.set(region.dataset.jobmanRegion, region.dataset.jobmanVersion);
    }
    return url;
  }

  regions() {
    return [...this.root.querySelectorAll(":scope > [data-jobman-region]")];
  }

  async ask() {
    if (this.asking || this.over) return;
    this.asking = true;
    try {
      const answer = await fetch(this.address(), {
        credentials: "same-origin",
        headers: { Accept: "application/json" },
        redirect: "manual",
      });
      if (answer.ok) this.take(await answer.json());
      else if (answer.type === "opaqueredirect" || [401, 403, 404].includes(answer.status)) this.gone();
      else this.failed();
    } catch {
      this.failed();
    } finally {
      this.asking = false;
    }
  }

  take(answer) {
    this.failures = 0;
    this.seen = Date.now();
    this.lost.hidden = true;
    const changed = Object.entries(answer.regions);
    for (const [name, part] of changed) this.show(name, part);
    if (answer.final) return this.last(changed.length);
    const slowest = Math.max(SLOWEST, this.least);
    this.delay = changed.length ? this.least : Math.min(this.delay * GROWTH, slowest);
    return this.wait(this.delay);
  }

  /** The job has ended: look once more for what was written late. */
  last() {
    if (this.ending) {
      this.over = true;
      this.pace.closest("[data-jobman-live]").hidden = true;
      return;
    }
    this.ending = true;
    this.wait(AFTERGLOW);
  }

  failed() {
    this.failures += 1;
    const age = Math.round((Date.now() - this.seen) / 1000);
    this.tell(this.texts.textLost.replace("%s", numbers.format(age)));
    if (this.failures === 1) this.say(this.lost.textContent);
    this.delay = Math.min(Math.max(this.delay, 1) * 2, PATIENCE);
    this.wait(this.delay);
  }

  gone() {
    this.over = true;
    this.tell(this.texts.textGone);
    this.say(this.texts.textGone);
  }

  tell(text) {
    this.lost.textContent = text;
    this.lost.hidden = false;
  }

  /** Say something to those who do not see the page. */
  say(text) {
    if (this.said.textContent !== text) this.said.textContent = text;
  }

  show(name, part) {
    const region = this.regions().find((each) => each.dataset.jobmanRegion === name);
    if (!region) {
      if (part.html) this.fill(this.placed(name), part);
    } else if (this.busy(region)) this.mark(region, part);
    else if (part.html) this.fill(region, part);
    else region.remove();
  }

  /** Make room for a region that was not there before, in the order of the page. */
  placed(name) {
    const order = this.root.dataset.order.split(" ");
    const later = order.slice(order.indexOf(name) + 1);
    const region = document.createElement("section");
    region.className = "jm-region";
    region.dataset.jobmanRegion = name;
    const next = this.regions().find((each) => later.includes(each.dataset.jobmanRegion));
    const last = this.regions().at(-1);
    if (next) next.before(region);
    else last.after(region);
    return region;
  }

  /** Whether somebody is at work in a region. */
  busy(region) {
    const selection = getSelection();
    const selects = selection && !selection.isCollapsed && selection.containsNode(region, true);
    const unfolded = region.querySelector("details[open]");
    const focused = document.activeElement;
    const within = focused !== region && region.contains(focused);
    return within || Boolean(selects) || Boolean(unfolded);
  }

  mark(region, part) {
    let button = region.querySelector(":scope > [data-jobman-show]");
    if (!button) {
      button = document.createElement("button");
      button.type = "button";
      button.className = "jm-btn jm-changed";
      button.dataset.jobmanShow = "";
      button.textContent = this.texts.textChanged;
      region.prepend(button);
    }
    button.onclick = () => {
      if (!part.html) return region.remove();
      this.fill(region, part);
      region.tabIndex = -1;
      return region.focus({ preventScroll: true });
    };
  }

  fill(region, part) {
    const parsed = new DOMParser().parseFromString(part.html, "text/html");
    region.replaceChildren(...parsed.body.childNodes);
    region.dataset.jobmanVersion = part.version;
    const word = region.querySelector("[data-jobman-word]")?.dataset.jobmanWord;
    if (word && this.word && word !== this.word) this.say(`${this.texts.textState} ${word}`);
    this.word = word ?? this.word;
  }

  async clicked(event) {
    const button = event.target.closest("[data-jobman-copy]");
    if (!button) return;
    const from = button.dataset.jobmanCopyFrom;
    const text = from ? document.getElementById(from)?.textContent : button.dataset.jobmanCopy;
    if (await copy(text ?? "")) this.say(this.texts.textCopied);
  }
}

for (const root of document.querySelectorAll("[data-jobman-page]")) {
  const page = new Page(root);
  page.word = root.querySelector("[data-jobman-word]")?.dataset.jobmanWord;
}
