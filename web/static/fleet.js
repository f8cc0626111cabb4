// What is known of all devices, and who wants to know of changes.
const POINTS = 60;
const order = new Intl.Collator(undefined, { numeric: true });

// A Device is one of the fleet.
class Device {
  constructor(type, id) {
    this.type = type;
    this.id = id;
    this.key = `${type}/${id}`;
    this.status = "offline";
    this.name = "";
    this.values = new Map();
    this.points = new Map(); // by field: numbers with their times, oldest first
    this.seen = "";
    this.text = this.key.toLowerCase();
  }

  set(name, value, at) {
    this.values.set(name, value);
    if (typeof value !== "number") return;
    let points = this.points.get(name);
    if (!points) this.points.set(name, (points = []));
    points.push({ value, at });
    if (points.length > POINTS) points.shift();
  }

  // trend is the field whose course stands for the device: its first that is a number.
  get trend() {
    return [...this.points.keys()].sort()[0];
  }
}

export class Fleet {
  devices = new Map();
  sorted = [];
  changed = new Set();
  events = 0;

  get(type, id) {
    const key = `${type}/${id}`;
    let device = this.devices.get(key);
    if (!device) {
      device = new Device(type, id);
      this.devices.set(key, device);
      this.sorted = null;
    }
    this.changed.add(device);
    return device;
  }

  // list returns all devices by type and id.
  list() {
    this.sorted ??= [...this.devices.values()].sort((a, b) => order.compare(a.type, b.type) || order.compare(a.id, b.id));
    return this.sorted;
  }

  // known takes over what the registry says.
  known(record) {
    const device = this.get(record.device_type, record.device_id);
    device.status = record.status;
    device.name = record.name ?? "";
    device.text = `${device.key} ${device.name} ${record.device_code ?? ""}`.toLowerCase();
    device.firmware = record.firmware_version;
    device.battery = record.battery_level;
    if ((record.last_seen ?? "") > device.seen) device.seen = record.last_seen;
    for (const [name, value] of Object.entries(record.values ?? {})) if (!device.values.has(name)) device.values.set(name, value);
  }

  // event takes over what a device has said.
  event(envelope) {
    this.events++;
    const device = this.get(envelope.device_type, envelope.device_id);
    if (envelope.event === "status") device.status = envelope.data.new_status;
    else if (envelope.data && typeof envelope.data === "object") for (const name in envelope.data) device.set(name, envelope.data[name], Date.parse(envelope.timestamp));
    device.seen = envelope.timestamp;
    return device;
  }

  // history puts what a device said before in front of its points.
  history(device, envelopes) {
    const before = new Map();
    for (const { event, data, timestamp } of envelopes) {
      const at = Date.parse(timestamp);
      if (event !== "data" || !data || typeof data !== "object") continue;
      for (const [name, value] of Object.entries(data)) {
        if (typeof value !== "number" || at >= device.points.get(name)?.[0].at) continue;
        if (!before.has(name)) before.set(name, []);
        before.get(name).push({ value, at });
      }
    }
    for (const [name, points] of before) device.points.set(name, [...points, ...(device.points.get(name) ?? [])].slice(-POINTS));
    this.changed.add(device);
  }

  // statuses counts the devices of each status.
  statuses() {
    const counts = new Map();
    for (const { status } of this.devices.values()) counts.set(status, (counts.get(status) ?? 0) + 1);
    return counts;
  }
}

// channelOf names the channel of one device: "_" and "%" in a type are percent-encoded.
export const channelOf = (device) =>
  `iot_${device.type.replace(/[%_]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)}_${device.id}`;

// show writes a value as people read it.
export const show = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : String(value));

// words writes a status as people read it.
export const words = (status) => status.replaceAll("_", " ");

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });

// moment writes a time in the viewer's zone: the time of day, and the date where it is not today's.
export function moment(time) {
  const date = new Date(time);
  if (!time || date.getFullYear() < 2) return "never";
  return (date.toDateString() === new Date().toDateString() ? clock : calendar).format(date);
}
