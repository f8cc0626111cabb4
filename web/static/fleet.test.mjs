import assert from "node:assert/strict";
import { test } from "node:test";
import { channelOf, Fleet, moment, show, words } from "./fleet.js";

const record = (id, more) => ({ device_type: "pump", device_id: id, status: "online", ...more });
const data = (id, values, n = 0) => ({ event: "data", device_type: "pump", device_id: id, data: values, timestamp: `2026-01-01T00:00:0${n}Z` });

test("what a device has just said is newer than what the registry knows", () => {
  const fleet = new Fleet();
  fleet.event(data("p1", { flow: 2 }, 5));
  fleet.known(record("p1", { values: { flow: 1, power: 700 }, last_seen: "2026-01-01T00:00:01Z", name: "Cellar", device_code: "C-7" }));
  const device = fleet.devices.get("pump/p1");
  assert.deepEqual([...device.values], [["flow", 2], ["power", 700]]);
  assert.equal(device.seen, "2026-01-01T00:00:05Z");
  assert.equal(device.text, "pump/p1 cellar c-7", "it is found by what people call it");
});

test("a status is a device's, and no reading", () => {
  const fleet = new Fleet();
  const device = fleet.event({ event: "status", device_type: "pump", device_id: "p1", data: { old_status: "online", new_status: "error" }, timestamp: "2026-01-01T00:00:00Z" });
  assert.equal(device.status, "error");
  assert.equal(device.values.size, 0);
  assert.deepEqual([...fleet.statuses()], [["error", 1]]);
});

test("devices are in the order that people count in", () => {
  const fleet = new Fleet();
  for (const id of ["p10", "p9", "p1"]) fleet.known(record(id));
  fleet.known({ device_type: "air", device_id: "a1", status: "offline" });
  assert.deepEqual(fleet.list().map((device) => device.key), ["air/a1", "pump/p1", "pump/p9", "pump/p10"]);
  assert.deepEqual(Object.fromEntries(fleet.statuses()), { offline: 1, online: 3 });
});

test("a course has the last 60 numbers with their times", () => {
  const fleet = new Fleet();
  for (let n = 0; n < 70; n++) fleet.event(data("p1", { flow: n, mode: "auto", list: [1] }));
  const { points } = fleet.devices.get("pump/p1");
  assert.deepEqual([...points.keys()], ["flow"]);
  assert.equal(points.get("flow").length, 60);
  assert.deepEqual(points.get("flow").at(-1), { value: 69, at: Date.UTC(2026, 0, 1) });
});

test("what was said before is put in front, and nothing twice", () => {
  const fleet = new Fleet();
  const device = fleet.event(data("p1", { flow: 3 }, 3));
  fleet.event(data("p1", { flow: 4, mode: "off" }, 4));
  fleet.history(device, [data("p1", { flow: 1 }, 1), data("p1", { flow: 2, power: 5 }, 2), data("p1", { flow: 3 }, 3)]);
  assert.deepEqual(device.points.get("flow").map((p) => p.value), [1, 2, 3, 4]);
  assert.deepEqual(device.points.get("power").map((p) => p.value), [5]);
});

test("a channel's name cannot be taken for another's", () => {
  assert.equal(channelOf({ type: "a_b", id: "c" }), "iot_a%5Fb_c");
  assert.equal(channelOf({ type: "100%", id: "x_y" }), "iot_100%25_x_y");
});

test("values and times are as people read them", () => {
  assert.deepEqual([null, 1.5, "on", true, { a: 1 }].map(show), ["null", "1.5", "on", "true", '{"a":1}']);
  assert.equal(words("low_battery"), "low battery");
  assert.equal(moment(""), "never");
  assert.equal(moment("0001-01-01T00:00:00Z"), "never");
  const now = new Date();
  assert.equal(moment(now.toISOString()), now.toLocaleTimeString());
  const then = new Date(Date.UTC(2020, 5, 1, 20));
  assert.ok(moment("2020-06-01T20:00:00Z").endsWith(then.toLocaleTimeString()) && moment(then.getTime()) !== then.toLocaleTimeString());
});
