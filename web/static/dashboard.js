// Keeps the table current from the stream of device events. Values are shown once per frame, however many
// events arrive in it.
const table = document.getElementById("fleet");
const body = table.tBodies[0];
const lamp = document.getElementById("state");
const rows = new Map();
const changed = new Map();
let events = 0;

for (const row of body.rows) rows.set(row.dataset.device, row);
for (const time of document.querySelectorAll("time")) localise(time);

function localise(time) {
  if (time.dateTime) time.textContent = new Date(time.dateTime).toLocaleTimeString();
}

function rowOf(type, id) {
  const key = `${type}/${id}`;
  let row = rows.get(key);
  if (row) return row;
  row = body.insertRow();
  row.dataset.device = key;
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = id;
  row.append(name);
  row.insertCell().textContent = type;
  const status = row.insertCell();
  status.className = "status";
  show(status, "offline");
  row.insertCell().className = "readings";
  row.insertCell().append(document.createElement("time"));
  rows.set(key, row);
  document.getElementById("count").textContent = rows.size;
  document.getElementById("empty").hidden = true;
  return row;
}

function show(cell, status) {
  cell.dataset.status = status;
  cell.textContent = status;
}

function reading(cell, name) {
  for (const span of cell.children) if (span.dataset.name === name) return span.lastElementChild;
  const span = document.createElement("span");
  span.className = "reading";
  span.dataset.name = name;
  const label = document.createElement("span");
  label.className = "name";
  label.textContent = name;
  const value = document.createElement("b");
  span.append(label, " ", value);
  cell.append(span);
  return value;
}

function note(message) {
  events++;
  if (changed.size === 0) requestAnimationFrame(draw);
  const key = `${message.device_type}/${message.device_id}`;
  const change = changed.get(key) ?? { type: message.device_type, id: message.device_id, values: {} };
  if (message.event === "status") change.status = message.data.new_status;
  else if (message.data && typeof message.data === "object") Object.assign(change.values, message.data);
  change.time = message.timestamp;
  changed.set(key, change);
}

function draw() {
  for (const { type, id, status, values, time } of changed.values()) {
    const row = rowOf(type, id);
    if (status) show(row.cells[2], status);
    for (const [name, value] of Object.entries(values)) {
      const place = reading(row.cells[3], name);
      place.textContent = typeof value === "object" ? JSON.stringify(value) : value;
      const span = place.parentElement;
      span.classList.add("fresh");
      setTimeout(() => span.classList.remove("fresh"), 60);
    }
    const seen = row.cells[4].firstElementChild;
    seen.dateTime = time;
    localise(seen);
  }
  changed.clear();
}

function state(name) {
  if (lamp.dataset.state === name) return;
  lamp.dataset.state = name;
  document.getElementById("state-text").textContent = name;
}

function connect(url) {
  const source = new EventSource(url);
  const take = (e) => { try { note(JSON.parse(e.data)); } catch { /* not a device's event */ } };
  source.addEventListener("data", take);
  source.addEventListener("status", take);
  // History was lost, so the table may be wrong: the page knows the truth.
  source.addEventListener("stream-reset", () => location.reload());
  source.addEventListener("stream-open", () => state("open"));
  source.onerror = () => {
    state(source.readyState === EventSource.CLOSED ? "closed" : "connecting");
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000 + Math.random() * 3000);
  };
}

if (table.dataset.stream) connect(table.dataset.stream);
else setTimeout(() => location.reload(), 2000);

setInterval(() => {
  document.getElementById("rate").textContent = events;
  events = 0;
}, 1000);
