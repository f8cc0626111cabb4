// The table of devices. Only the rows that can be seen, and some around them, are in the page.
import { chart, draw } from "./chart.js";
import { moment, show, words } from "./fleet.js";

const AROUND = 8; // rows beyond the window, so that scrolling and the Tab key find some
const SPARE = 4; // of them may be used up before others are put into the page

export class Table {
  constructor(element) {
    this.element = element;
    this.body = element.tBodies[0];
    this.template = document.getElementById("row").content.firstElementChild;
    this.rows = new Map(); // by device
    this.list = [];
    this.above = this.spacer();
    this.below = this.spacer();
    this.body.addEventListener("keydown", (e) => this.key(e));
    this.body.addEventListener("click", (e) => {
      if (!e.target.closest("a") && getSelection().isCollapsed) e.target.closest("tr")?.querySelector("a")?.click();
    });
    addEventListener("scroll", () => {
      this.scrolled = performance.now();
      this.later();
    }, { passive: true });
    addEventListener("resize", () => this.later());
  }

  spacer() {
    const row = document.createElement("tr");
    row.className = "spacer";
    row.setAttribute("aria-hidden", "true");
    return row;
  }

  // calm tells that nobody scrolls now.
  get calm() {
    return !(performance.now() - this.scrolled < 200);
  }

  // set shows other devices.
  set(list) {
    this.list = list;
    this.window = null;
    this.element.setAttribute("aria-rowcount", list.length + 1);
    this.fill();
  }

  later() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.fill();
    });
  }

  // fill puts the rows of the window into the page. Those that stay are left alone, since one may have the focus.
  fill() {
    const height = this.height();
    const top = -this.body.getBoundingClientRect().top;
    const from = Math.floor(top / height), to = Math.ceil((top + innerHeight) / height);
    if (this.window && Math.abs(from - this.window.from) <= SPARE && Math.abs(to - this.window.to) <= SPARE) return;
    this.window = { from, to };
    const first = Math.max(0, Math.min(from - AROUND, this.list.length));
    const last = Math.min(this.list.length, to + AROUND);
    const wanted = this.list.slice(first, Math.max(first, last));
    this.above.style.height = `${first * height}px`;
    this.below.style.height = `${(this.list.length - first - wanted.length) * height}px`;
    let at = this.above;
    if (at.parentNode !== this.body) this.body.replaceChildren(this.above, this.below);
    // What goes does so first: a row that is put before it would be moved, and all that follow.
    const stay = new Set(wanted);
    for (const [device, row] of this.rows) {
      if (stay.has(device)) continue;
      row.remove();
      this.rows.delete(device);
    }
    wanted.forEach((device, i) => {
      const row = this.rows.get(device) ?? this.row(device);
      row.setAttribute("aria-rowindex", first + i + 2);
      if (at.nextSibling !== row) at.after(row);
      at = row;
    });
  }

  height() {
    const row = this.body.querySelector("tr:not(.spacer)");
    return row?.getBoundingClientRect().height || this.known || (this.known = 48);
  }

  row(device) {
    const row = this.template.cloneNode(true);
    row.dataset.device = device.key;
    const link = row.querySelector("a");
    link.textContent = device.id;
    link.href = `#${encodeURIComponent(device.type)}/${encodeURIComponent(device.id)}`;
    row.querySelector(".type").textContent = device.type;
    row.querySelector(".trend > div").prepend(chart());
    this.rows.set(device, row);
    this.update(device, false);
    return row;
  }

  // update shows what has changed of a device, if it is in the page.
  update(device, flash = true) {
    const row = this.rows.get(device);
    if (!row) return;
    const status = row.querySelector(".status");
    if (status.dataset.status !== device.status) {
      status.dataset.status = device.status;
      status.textContent = words(device.status);
    }
    row.querySelector(".name").textContent = device.name;
    this.readings(row.querySelector(".readings"), device, flash);
    const field = device.trend;
    if (field) {
      row.querySelector(".trend .label").textContent = field;
      draw(row.querySelector("svg"), device.points.get(field), field);
    }
    const time = row.querySelector("time");
    time.dateTime = device.seen;
    time.textContent = moment(device.seen);
  }

  readings(cell, device, flash) {
    const shown = new Map([...cell.children].map((span) => [span.dataset.name, span]));
    for (const name of [...device.values.keys()].sort()) {
      let span = shown.get(name);
      if (!span) {
        span = document.createElement("span");
        span.className = "reading";
        span.dataset.name = name;
        const label = document.createElement("span");
        label.className = "label";
        label.textContent = name;
        span.append(label, " ", document.createElement("b"));
        cell.append(span);
      }
      const text = show(device.values.get(name));
      if (span.lastElementChild.textContent === text) continue;
      span.lastElementChild.textContent = text;
      if (!flash) continue;
      span.classList.add("fresh");
      requestAnimationFrame(() => requestAnimationFrame(() => span.classList.remove("fresh")));
    }
  }

  // key moves between the devices.
  key(e) {
    const row = e.target.closest("tr");
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }[e.key];
    if (!row || !step || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    const now = Number(row.getAttribute("aria-rowindex")) - 2;
    this.focus(Math.max(0, Math.min(this.list.length - 1, now + step)));
  }

  focus(index) {
    const device = this.list[index];
    if (!device) return;
    if (!this.rows.has(device)) {
      scrollTo(0, scrollY + this.body.getBoundingClientRect().top + index * this.height() - innerHeight / 2);
      this.fill();
    }
    const link = this.rows.get(device).querySelector("a");
    link.focus({ preventScroll: true });
    link.closest("tr").scrollIntoView({ block: "nearest" });
    this.fill();
  }
}
