// The log on a job's page: reads on from the last line while the reader looks at it.
// Without this script the page shows the last lines, and everything else is links and a form.

const CHUNK = 200; // lines in one <pre>
const CAP = 10000; // lines kept while following
const HOLD = 50000; // lines held while the reader looks at older ones
const QUICK = 1000; // milliseconds between two readings of a busy log
const SLOW = 5000; // of a quiet one, and between two changes of the status text
const TONES = { WARNING: "jm-log-warn", ERROR: "jm-log-error", CRITICAL: "jm-log-error" };
const FIELDS = "input, select, textarea"; // where every key is text

const numbers = new Intl.NumberFormat(document.documentElement.lang || undefined);

function phrase(template, count) {
  return template.replace("%s", numbers.format(count));
}

function textOf([, clock, level, step, message]) {
  return `${clock} ${level.padEnd(8)} ${step ? `[${step}] ` : ""}${message}\n`;
}

/** The <pre> blocks of a log, and how many lines each holds. */
class Chunks {
  constructor(box, count, last) {
    this.box = box;
    this.held = count;
    this.last = last;
    this.parts = [...box.querySelectorAll("pre")].map((node) => ({ node, count }));
  }

  /** Append the lines of an answer; around and breaks say how a search's hits stand among them. */
  append({ lines, around, breaks }, before = null) {
    this.around = new Set(around);
    this.breaks = new Map(breaks);
    let at = before ? this.parts.indexOf(before) : this.parts.length;
    let part = before ? null : this.parts[at - 1];
    for (const line of lines) {
      if (!part || !part.fills || part.count >= CHUNK) {
        if (this.plain) this.settle();
        part = this.open(at, before);
        at += 1;
      }
      this.write(part, line);
    }
    this.settle();
    this.held += lines.length;
  }

  open(at, before) {
    const node = document.createElement("pre");
    node.className = "jm-log-chunk";
    this.box.insertBefore(node, before ? before.node : null);
    const part = { node, count: 0, fills: true };
    this.parts.splice(at, 0, part);
    return part;
  }

  write(part, line) {
    part.count += 1;
    const [id, , level] = line;
    const breaks = this.last && (this.breaks.get(id) ?? this.last) !== this.last;
    if (breaks) this.mark(part, "jm-log-break", "--\n");
    this.last = id;
    const tone = this.around.has(id) ? "jm-log-near" : TONES[level];
    if (tone) return this.mark(part, tone, textOf(line));
    this.plain = (this.plain || "") + textOf(line);
    this.target = part.node;
    return undefined;
  }

  mark(part, tone, text) {
    this.settle();
    const span = document.createElement("span");
    span.className = tone;
    span.textContent = text;
    part.node.append(span);
  }

  // Plain lines that follow one another are one text node.
  settle() {
    if (!this.plain) return;
    const last = this.target.lastChild;
    if (last && last.nodeType === Node.TEXT_NODE) last.appendData(this.plain);
    else this.target.append(this.plain);
    this.plain = "";
  }

  divide(node) {
    const part = { node, count: 0, fills: false };
    this.box.append(node);
    this.parts.push(part);
    return part;
  }

  remove(part) {
    part.node.remove();
    this.parts.splice(this.parts.indexOf(part), 1);
    this.held -= part.count;
  }

  trim() {
    let trimmed = false;
    while (this.parts.length > 1 && this.held - this.parts[0].count >= CAP) {
      this.remove(this.parts[0]);
      trimmed = true;
    }
    return trimmed;
  }
}

class Tail {
  constructor(section) {
    this.words = section.dataset;
    this.section = section;
    this.box = section.querySelector("[data-jobman-log-box]");
    this.status = section.querySelector("[data-jobman-log-status]");
    this.button = section.querySelector("[data-jobman-log-follow]");
    this.cursor = this.words.cursor;
    this.chunks = new Chunks(this.box, Number(this.words.shown), Number(this.words.last));
    this.following = true;
    this.fresh = 0;
    this.delay = QUICK;
    this.done = this.words.eof === "yes";
    this.inView = false;
    this.top = 0;
    this.spoke = 0;
    this.bind();
    this.stick();
    if (!this.done) this.say(this.words.wordLive);
  }

  bind() {
    const wrap = this.section.querySelector("[data-jobman-log-wrap]");
    wrap.hidden = false;
    this.section.querySelector("[data-jobman-log-keys]").hidden = false;
    wrap.addEventListener("click", () => {
      const off = this.box.classList.toggle("jm-log-nowrap");
      wrap.setAttribute("aria-pressed", String(!off));
    });
    this.button.hidden = this.done;
    this.button.addEventListener("click", () => this.follow(!this.following));
    this.box.addEventListener("scroll", () => this.scrolled());
    this.section.addEventListener("keydown", (event) => this.key(event));
    this.bindScreen(this.section.querySelector("[data-jobman-log-screen]"));
    document.addEventListener("visibilitychange", () => this.plan(0));
    new IntersectionObserver((entries) => {
      this.inView = entries.at(-1).isIntersecting;
      this.plan(0);
    }).observe(this.box);
  }

  bindScreen(button) {
    button.hidden = !document.fullscreenEnabled;
    const isFull = () => document.fullscreenElement === this.section;
    button.addEventListener("click", () => {
      if (isFull()) document.exitFullscreen();
      else this.section.requestFullscreen().catch(() => this.section.scrollIntoView());
    });
    document.addEventListener("fullscreenchange", () => {
      button.setAttribute("aria-pressed", String(isFull()));
      if (this.following) this.stick();
    });
  }

  key(event) {
    if (event.target.matches(FIELDS) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "f") this.follow(!this.following);
    else if (event.key === "End") this.follow(true);
    else if (event.key === "/") {
      event.preventDefault();
      const find = this.section.querySelector("[name=find]");
      find.focus();
      find.select();
    }
  }

  // Only a reader moves the box up; what we append, and what is laid out anew, moves it down.
  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    const atEnd = scrollHeight - scrollTop - clientHeight < 8;
    if (this.following && !atEnd && scrollTop < this.top - 2) this.follow(false);
    else if (!this.following && atEnd && scrollTop > this.top) this.follow(true);
    this.top = scrollTop;
  }

  follow(on) {
    this.following = on;
    if (on) {
      this.fresh = 0;
      this.trim();
      this.stick();
      this.plan(0);
    }
    this.label();
  }

  label() {
    const { wordFollow, wordFollowing, wordNew } = this.words;
    const waiting = this.fresh ? phrase(wordNew, this.fresh) : wordFollow;
    this.button.textContent = this.following ? wordFollowing : waiting;
    this.button.setAttribute("aria-pressed", String(this.following));
  }

  stick() {
    this.box.scrollTop = this.box.scrollHeight;
    this.top = this.box.scrollTop;
  }

  trim() {
    if (this.chunks.trim()) this.trimmed = true;
  }

  get paused() {
    return !this.following && this.chunks.held >= HOLD;
  }

  get idle() {
    return this.done || this.busy || this.paused || !this.inView || document.hidden;
  }

  plan(delay) {
    clearTimeout(this.timer);
    if (!this.idle) this.timer = setTimeout(() => this.read(), delay);
  }

  async read() {
    if (this.idle) return;
    this.busy = true;
    let delay = SLOW;
    try {
      const answer = await this.ask({ after: this.cursor });
      delay = answer ? this.take(answer) : SLOW;
    } catch {
      this.say(this.words.wordLost);
    }
    this.busy = false;
    this.plan(delay);
  }

  // Returns nothing when the log is out of reach for good.  Throws when it may come back.
  async ask(parameters) {
    const url = new URL(this.words.url, window.location.href);
    const { attempt, level, find } = this.words;
    for (const [name, value] of Object.entries({ attempt, level, q: find, ...parameters })) {
      if (value !== "") url.searchParams.set(name, value);
    }
    const reply = await fetch(url, { headers: { Accept: "application/json" } });
    if (reply.status >= 500 || reply.status === 429) throw new Error(reply.statusText);
    if (reply.ok && !reply.redirected) return reply.json();
    this.done = true;
    this.say(this.words.wordGone);
    return null;
  }

  // Shows an answer; returns how long to wait for the next.
  take(answer) {
    // Lines around a hit that came before it are given again.
    answer.lines = answer.lines.filter(([id]) => id > this.chunks.last);
    const previous = this.cursor;
    this.cursor = String(answer.cursor);
    if (answer.skipped) this.gap(previous, answer.lines[0][0], answer.skipped);
    this.chunks.append(answer);
    if (this.following) {
      this.trim();
      if (answer.lines.length) this.stick();
    } else {
      this.fresh += answer.lines.length + answer.skipped;
    }
    this.label();
    // What was still on its way when the job ended is asked for once more.
    this.done = answer.eof && this.last === true;
    this.last = answer.eof;
    this.button.hidden = this.done;
    this.report();
    this.delay = answer.lines.length ? QUICK : Math.min(this.delay * 1.5, SLOW);
    return answer.through ? this.delay : 0;
  }

  report() {
    const { wordPaused, wordEof, wordNone, wordLines, wordTrimmed } = this.words;
    const { held } = this.chunks;
    const said = [held ? phrase(wordLines, held) : wordNone];
    if (this.trimmed) said.push(wordTrimmed);
    if (this.paused) said.push(wordPaused);
    if (this.done) said.push(wordEof);
    this.say(said.join(" "));
  }

  say(text) {
    clearTimeout(this.saying);
    const wait = Math.max(0, this.spoke + SLOW - Date.now());
    this.saying = setTimeout(() => {
      this.spoke = Date.now();
      if (this.status.textContent !== text) this.status.textContent = text;
    }, wait);
  }

  gap(after, before, count) {
    const node = document.createElement("p");
    node.className = "jm-log-gap";
    const words = document.createElement("span");
    words.textContent = phrase(this.words.wordSkipped, count);
    const load = document.createElement("button");
    load.type = "button";
    load.className = "jm-btn";
    load.textContent = this.words.wordLoad;
    const raw = document.createElement("a");
    raw.href = this.words.raw;
    raw.textContent = this.words.wordRaw;
    node.append(words, load, raw);
    const part = this.chunks.divide(node);
    Object.assign(part, { after, before, left: count });
    load.addEventListener("click", () => this.load(part, words, load));
  }

  async load(part, words, button) {
    this.follow(false);
    button.disabled = true;
    try {
      const answer = await this.ask({ after: part.after, before: part.before });
      if (answer) this.fill(part, answer, words);
    } catch {
      this.say(this.words.wordLost);
    }
    button.disabled = false;
  }

  fill(part, answer, words) {
    this.chunks.append(answer, part);
    part.after = answer.cursor;
    part.left = Math.max(0, part.left - answer.lines.length);
    words.textContent = phrase(this.words.wordSkipped, part.left);
    if (answer.through) this.chunks.remove(part);
    this.report();
  }
}

for (const section of document.querySelectorAll("[data-jobman-log]")) new Tail(section);
