// Keeps the dashboard current from the streams of device events. What has changed is shown once per frame, however many events
// arrive in it.
import { connect } from "/griphub.mjs";
import { channelOf, Fleet, moment, words } from "./fleet.js";
import { Panel } from "./panel.js";
import { Table } from "./table.js";

const fleet = new Fleet();
const page = document.documentElement.dataset;
const table = new Table(document.getElementById("fleet"));
const form = document.getElementById("filter");
const panel = new Panel(document.getElementById("device"), () => {
  const { key } = panel.last ?? {};
  history.replaceState(null, "", location.pathname + location.search);
  const index = table.list.findIndex((device) => device.key === key);
  if (index >= 0) table.focus(index);
});

for (const time of document.querySelectorAll("time")) time.textContent = moment(time.dateTime);

// Search and filter.

let filtered = 0;

function filter() {
  const words = form.elements.q.value.toLowerCase().split(/\s+/).filter(Boolean);
  const type = form.elements.type.value, status = form.elements.status.value;
  const list = fleet.list().filter((device) => (!type || device.type === type) && (!status || device.status === status) &&
    words.every((word) => device.text.includes(word)));
  filtered = list.length;
  table.set(list);
  document.getElementById("empty").hidden = fleet.devices.size > 0;
  document.getElementById("none").hidden = filtered > 0 || fleet.devices.size === 0;
}

// count tells how many there are. It is read aloud, so that it is only written when somebody asks.
function count() {
  const all = fleet.devices.size;
  document.getElementById("count").textContent = filtered === all ? `${all} devices` : `${filtered} of ${all} devices`;
}

form.addEventListener("input", () => {
  filter();
  count();
  overview();
  const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  history.replaceState(null, "", (query.size ? `?${query}` : location.pathname) + location.hash);
});
form.addEventListener("submit", (e) => e.preventDefault());
addEventListener("keydown", (e) => {
  if (e.key === "/" && !e.target.closest("input, select, dialog")) {
    e.preventDefault();
    form.elements.q.focus();
  }
});

// What changes.

let frame, size = 0;

function soon() {
  frame ??= requestAnimationFrame(() => {
    frame = null;
    if (fleet.devices.size !== size || form.elements.status.value) {
      const grown = fleet.devices.size !== size;
      size = fleet.devices.size;
      filter();
      if (grown) count();
    }
    for (const device of fleet.changed) table.update(device);
    if (panel.device && fleet.changed.has(panel.device)) panel.update();
    fleet.changed.clear();
    if (table.calm) for (const device of table.rows.keys()) recall(device);
  });
}

const statuses = document.getElementById("statuses");

// overview shows how many devices have each status that there is, as buttons that show those alone. A new one comes last, so that
// none moves.
function overview() {
  const counts = fleet.statuses();
  for (const status of counts.keys()) {
    if (statuses.querySelector(`[data-status="${status}"]`)) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "status";
    button.dataset.status = status;
    statuses.append(button);
  }
  for (const button of statuses.children) {
    const { status } = button.dataset, text = `${counts.get(status) ?? 0} ${words(status)}`;
    if (button.textContent !== text) button.textContent = text;
    button.setAttribute("aria-pressed", status === form.elements.status.value);
  }
}

statuses.addEventListener("click", ({ target: { dataset: { status } } }) => {
  if (!status) return;
  form.elements.status.value = form.elements.status.value === status ? "" : status;
  form.dispatchEvent(new Event("input"));
});

setInterval(() => {
  document.getElementById("rate").textContent = fleet.events;
  fleet.events = 0;
  overview();
}, 1000);

// recall reads what a device in the page said before, once, and of a few at a time.

const recalled = new Set();
let recalling = 0;

async function recall(device, now = false) {
  if (recalled.has(device) || (recalling >= 3 && !now)) return;
  recalled.add(device);
  recalling++;
  try {
    const response = await fetch(`/api/channels/${encodeURIComponent(channelOf(device))}/events?limit=60`);
    if (response.ok) fleet.history(device, (await response.json()).events);
  } catch {
    // The line grows from what comes.
  }
  recalling--;
  soon();
}

// One device.

function route() {
  const [type, id] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const device = id && fleet.devices.get(`${type}/${id}`);
  if (!device) return panel.close();
  panel.last = device;
  panel.open(device);
  recall(device, true);
}
addEventListener("hashchange", route);

// Connections.

const states = new Map();

function state(stream, name) {
  states.set(stream, name);
  const all = [...states.values()];
  const now = ["closed", "connecting", "open"].find((one) => all.includes(one));
  const lamp = document.getElementById("state");
  if (lamp.dataset.state === now) return;
  lamp.dataset.state = now;
  lamp.lastElementChild.textContent = { open: "live", connecting: "connecting", closed: "not connected" }[now];
}

// load reads what the registry knows.
async function load() {
  let after = "";
  do {
    const response = await fetch(`/api/devices?limit=1000${after && `&after=${encodeURIComponent(after)}`}`);
    if (!response.ok) throw new Error(`the devices: status ${response.status}`);
    const { devices, next } = await response.json();
    for (const device of devices) fleet.known(device);
    after = next;
  } while (after);
  soon();
}

// first waits for the first device, where there is none.
async function first() {
  const response = await fetch("/api/devices?limit=1").catch(() => null);
  if (response?.ok && (await response.json()).devices.length) location.reload();
  else setTimeout(first, 2000);
}

const streams = JSON.parse(page.streams);

async function start() {
  for (let pause = 1000; ; pause = Math.min(2 * pause, 30000)) {
    try {
      await load();
      break;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
  filter();
  count();
  overview();
  route();
  for (const url of streams) {
    connect(url, {
      onEvent({ type, data }) {
        if (type !== "data" && type !== "status") return;
        fleet.event(JSON.parse(data));
        soon();
      },
      // Events are missing: the registry knows what came of them.
      onReset: () => location.reload(),
      onState: (name) => state(url, name),
    });
  }
  if (streams.length === 0) first();
}

start();
