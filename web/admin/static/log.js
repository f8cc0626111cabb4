// The event log as it grows. Each second the newest page is read again, with its filter, from the log itself: so it shows what any
// process has stored, on any channel, and what comes late is put into its place. Nothing is pushed to the browser that the server
// has not found this administrator entitled to at that moment.
import { fresh, reading } from "./page.js";

const EVERY = 1000, MOST = 200;

export class Log {
  constructor(table) {
    this.table = table;
    this.body = table.tBodies[0];
    this.lamp = document.getElementById("state");
    this.button = document.getElementById("follow");
    this.follows = true;
    this.waiting = [];
    this.button.addEventListener("click", () => this.toggle());
    document.addEventListener("visibilitychange", () => document.hidden || this.read());
    table.addEventListener("pointerleave", () => this.follows && this.show());
    this.body.addEventListener("focusout", () => setTimeout(() => this.follows && !reading(this.body) && this.show()));
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
      if (this.follows && !reading(this.body)) this.show();
      this.label();
      return true;
    } catch (error) {
      this.say("closed", error.status === 401 || error.status === 403 ? "signed out" : "no connection");
      return false;
    } finally {
      this.busy = false;
    }
  }

  // show puts what waits into its places, and lets go of the oldest.
  show() {
    for (const row of this.body.querySelectorAll(".fresh")) row.classList.remove("fresh");
    this.waiting.sort((a, b) => a.dataset.id - b.dataset.id);
    for (const row of this.waiting) {
      const after = [...this.body.rows].find((other) => Number(other.dataset.id) < row.dataset.id);
      row.classList.add("fresh");
      this.body.insertBefore(row, after ?? null);
    }
    this.waiting = [];
    while (this.body.rows.length > MOST) this.body.rows[MOST].remove();
    document.getElementById("empty").hidden = this.body.rows.length > 0;
    this.label();
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
