// The event log as it grows. Each second the newest page is read again, with its filter, from the log itself: so it shows what any
// process has stored, on any channel, and what comes late is put into its place. Nothing is pushed to the browser that the server
// has not found this administrator entitled to at that moment.
//
// Nothing jumps. Rows come in above what is seen, while the list stands at its top and nobody reads in it, and the list then scrolls
// up to them; who has scrolled down, or is at a row, finds it where it was.
import { fresh, reading } from "./page.js";

const EVERY = 1000, MOST = 200;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Log {
  constructor(table) {
    this.table = table;
    this.body = table.tBodies[0];
    this.box = table.parentElement;
    this.lamp = document.getElementById("state");
    this.button = document.getElementById("follow");
    this.follows = true;
    this.waiting = [];
    this.button.addEventListener("click", () => this.toggle());
    document.addEventListener("visibilitychange", () => document.hidden || this.read());
    for (const [element, event] of [[table, "pointerleave"], [this.body, "focusout"], [this.box, "scrollend"]]) {
      element.addEventListener(event, () => setTimeout(() => this.letIn()));
    }
    this.box.addEventListener("scrollend", () => this.box.scrollTop < 1 && (table.style.marginBottom = ""));
  }

  // toggle stops, or goes on with what has come meanwhile.
  toggle() {
    this.follows = !this.follows;
    if (this.follows) this.show();
    this.label();
  }

  async run() {
    for (let wait = EVERY; ; ) {
      wait = (await this.read()) ? EVERY : Math.min(wait * 2, 30000);
      await new Promise((done) => setTimeout(done, wait));
    }
  }

  async read() {
    if (document.hidden || this.busy) return true;
    this.busy = true;
    try {
      const page = await fresh();
      const rows = [...page.querySelectorAll("#log tbody tr")];
      const known = new Set([...this.body.rows, ...this.waiting].map((row) => row.dataset.id));
      this.waiting.push(...rows.filter((row) => !known.has(row.dataset.id)));
      this.say("open", this.follows ? "live" : "paused");
      this.letIn();
      this.label();
      return true;
    } catch (error) {
      this.say("closed", error.status === 401 || error.status === 403 ? "signed out" : "no connection");
      return false;
    } finally {
      this.busy = false;
    }
  }

  // letIn shows what waits, unless it would disturb somebody. While the list scrolls up it is not at its top.
  letIn() {
    if (this.waiting.length && this.follows && this.box.scrollTop < 1 && !reading(this.body)) this.show();
  }

  // show puts what waits into its places, lets go of the oldest, and scrolls up to the newest once what was seen has been painted
  // where it was.
  show() {
    for (const row of this.body.querySelectorAll(".fresh")) row.classList.remove("fresh");
    this.waiting.sort((a, b) => a.dataset.id - b.dataset.id);
    const below = this.waiting.length ? this.below(this.waiting[0]) : null;
    const seen = below?.getBoundingClientRect().top;
    for (const row of this.waiting) {
      row.classList.add("fresh");
      this.body.insertBefore(row, this.below(row));
    }
    this.waiting = [];
    if (below) {
      const moved = below.getBoundingClientRect().top - seen;
      // A list that does not fill the box could not be scrolled so far.
      this.table.style.marginBottom = `${Math.max(0, this.box.clientHeight + moved - this.table.offsetHeight)}px`;
      this.box.scrollTop += moved;
    }
    while (this.body.rows.length > MOST) this.body.rows[MOST].remove();
    document.getElementById("empty").hidden = this.body.rows.length > 0;
    this.label();
    requestAnimationFrame(() => requestAnimationFrame(() => this.box.scrollTo({ top: 0, behavior: calm.matches ? "instant" : "smooth" })));
  }

  // below is the row that follows the place of this one, null where none does.
  below(row) {
    return [...this.body.rows].find((other) => Number(other.dataset.id) < row.dataset.id) ?? null;
  }

  label() {
    if (this.waiting.length > MOST) this.waiting = this.waiting.slice(-MOST);
    const text = (this.follows ? "Pause" : "Resume") + (this.waiting.length ? ` (${this.waiting.length} new)` : "");
    if (this.button.textContent !== text) this.button.textContent = text;
  }

  // say is read aloud, so only a change is written.
  say(state, text) {
    if (this.lamp.dataset.state === state && this.lamp.lastElementChild.textContent === text) return;
    this.lamp.dataset.state = state;
    this.lamp.lastElementChild.textContent = text;
  }
}
