import assert from "node:assert/strict";
import { test } from "node:test";
import { event, json, open, Page, pass, settle, status, stopClock, Stream } from "./harness.mjs";

// A Socket is a WebSocket whose other side is the test.
function sockets({ refused = false } = {}) {
  const all = [];
  class Socket {
    constructor(address) {
      Object.assign(this, { address, sent: [] });
      all.push(this);
      setImmediate(() => (refused ? this.onclose() : this.onopen()));
    }
    send(text) { this.sent.push(JSON.parse(text)); }
    close() { this.closed = true; }
    // tell sends each message by itself, and tellAtOnce all of them as one.
    async tell(...messages) {
      for (const message of messages) await this.tellAtOnce(message);
    }
    async tellAtOnce(...messages) {
      this.onmessage({ data: JSON.stringify(messages) });
      await settle();
    }
  }
  return { all, Socket };
}

const own = { shared: false };
const message = (n, more) => ({ event: "item", data: "m" + n, id: "list:" + n, prev: "list:" + (n - 1), ...more });

test("the ways to a stream are found from its address", () => {
  const { waysTo } = new Page().run("waysTo");
  for (const [path, ways] of Object.entries({
    "/events/list/": 3, "/events/?channel=a&channel=b": 3, "/prefix/iot/stream/pump/p1/": 3, "/realtime/sse/": 1, "/own/": 1, "/iot/stream/pump/?html=4": 1, "/iot/stream/pump/?snapshot=1": 1, "/events/?channel=a&html=2": 1,
  })) assert.equal(waysTo("https://hub.example" + path).length, ways, path);
});

test("where streams are held back, a WebSocket takes over after 10 s", async (t) => {
  stopClock(t);
  const { all, Socket } = sockets();
  const page = new Page({ WebSocket: Socket });
  const told = page.follow("/events/list/", own);
  await pass(12e3);
  const [socket] = all;
  assert.equal(socket.address.href, "wss://hub.example/ws/events/?channel=list&batch=1");
  await socket.tell({ event: "pong", cursor: "list:0" }, message(1));
  assert.deepEqual(told.states, ["connecting", "open"]);

  // A message is lost on the way: what comes next waits until the one before it is there.
  await socket.tell(message(3), message(4));
  assert.deepEqual(told.data(), ["m1"]);
  assert.deepEqual(socket.sent.at(-1), { action: "ping", cursor: "list:1" });
  await socket.tell(message(2), { event: "pong", cursor: "list:4" }, message(5), message(5));
  assert.deepEqual(told.data(), ["m1", "m2", "m3", "m4", "m5"]);
  assert.equal(told.events[0].id, "list:1");

  // Once it is gone the better way is tried first, with the place that was come to.
  const stream = new Stream();
  page.server.next(stream.answer);
  socket.onclose();
  await pass(4e3);
  assert.equal(page.server.last.url.searchParams.get("lastEventId"), "list:5");
  await stream.write(open("list:5") + event("list:6", "six"));
  assert.deepEqual(told.data().at(-1), "six");
});

test("a WebSocket brings several events at once, and a gap among them is filled", async (t) => {
  stopClock(t);
  const { all, Socket } = sockets();
  const page = new Page({ WebSocket: Socket });
  page.server.next(status(501));
  const told = page.follow("/events/list/", own);
  await pass(500);
  const [socket] = all;
  await socket.tellAtOnce({ event: "pong", cursor: "list:0" }, message(1), message(2));
  await socket.tellAtOnce();
  await socket.tellAtOnce(message(4), message(5));
  assert.deepEqual(told.data(), ["m1", "m2"]);
  assert.deepEqual(socket.sent.at(-1), { action: "ping", cursor: "list:2" });
  await socket.tellAtOnce(message(3), message(4), message(5), { event: "pong", cursor: "list:5" });
  await socket.tellAtOnce(message(6), message(7));
  assert.deepEqual(told.data(), ["m1", "m2", "m3", "m4", "m5", "m6", "m7"]);
});

test("soon after a WebSocket was opened it is asked once more", async (t) => {
  stopClock(t);
  const { all, Socket } = sockets();
  const page = new Page({ WebSocket: Socket });
  page.server.next(status(501));
  const told = page.follow("/events/list/", own);
  await pass(500);
  const [socket] = all;
  await socket.tell({ event: "pong", cursor: "list:0" });
  assert.equal(socket.sent.length, 1);
  await pass(1e3);
  assert.deepEqual(socket.sent.slice(1), [{ action: "ping", cursor: "list:0" }]);
  await socket.tell(message(1), { event: "pong", cursor: "list:1" });
  assert.deepEqual(told.data(), ["m1"], "it was sent before the proxy knew of the connection");
  await pass(20e3);
  assert.equal(socket.sent.length, 2);
});

test("a loss is told over a WebSocket, and what comes next is shown", async (t) => {
  stopClock(t);
  const { all, Socket } = sockets();
  const page = new Page({ WebSocket: Socket });
  page.server.next(status(501));
  const told = page.follow("/events/list/?lastEventId=list:90", own);
  await pass(2e3);
  await all[0].tell({ event: "stream-reset", data: { channels: ["list"] }, cursor: "list:3" }, { event: "pong", cursor: "list:3" }, message(4));
  assert.deepEqual(told.resets, [{ channels: ["list"] }]);
  assert.deepEqual(told.data(), ["m4"]);
});

for (const [name, options] of [["a WebSocket is refused", { WebSocket: sockets({ refused: true }).Socket }], ["the page's policy forbids WebSockets", {}]]) {
  test(`where there is no proxy and ${name}, it polls, and looks for a better way every 10 minutes`, async (t) => {
    stopClock(t);
    const page = new Page(options);
    page.server.next(status(501), json({ events: [{ id: "list:1" }], cursor: "list:1" }), json({ events: [message(2), message(3)], cursor: "list:3" }),
      ...Array(200).fill(json({ events: [], cursor: "list:3" })));
    const told = page.follow("/events/list/", own);
    await pass(5e3);
    assert.deepEqual(told.data(), ["m2", "m3"], "what was there before is not shown");
    assert.deepEqual(told.states, ["connecting", "open"]);
    const asked = page.server.requests.map(({ url }) => url.pathname + url.search);
    assert.deepEqual(asked.slice(0, 3), ["/events/list/", "/api/channels/list/events?limit=1000", "/api/channels/list/events?after=list%3A1"]);

    await pass(590e3, 5e3);
    assert.equal(page.server.last.accept, "application/json");
    const between = page.server.requests.slice(-5).map(({ at }) => at);
    assert.ok(between[4] - between[0] >= 20e3, "nothing is asked for more often than every 5 s");
    await pass(30e3, 1e3);
    assert.equal(page.server.requests.some(({ accept }, i) => i > 0 && accept === "text/event-stream"), true);
  });
}

test("a device's polls wait for what comes, and begin behind what an earlier poll has read", async (t) => {
  stopClock(t);
  const page = new Page();
  const envelope = (n) => ({ event: "data", device_type: "pump", device_id: "p1", data: { n }, timestamp: "2026-01-01T00:00:00Z", id: "iot_pump:" + n });
  const before = Array.from({ length: 1000 }, (_, n) => envelope(n));
  page.server.next(status(501), json({ events: before, cursor: "iot_pump:1000" }), json({ events: [], cursor: "iot_pump:1000" }),
    json({ events: [], cursor: "iot_pump:1001", reset: true }), json({ events: [envelope(1002)], cursor: "iot_pump:1002", reset: false }));
  const told = page.follow("/iot/stream/pump/", own);
  await pass(10e3);
  assert.equal(told.events.length, 1);
  const { type, data, id } = told.events[0];
  assert.deepEqual([type, id, JSON.parse(data)], ["data", "iot_pump:1002", { event: "data", device_type: "pump", device_id: "p1", data: { n: 1002 }, timestamp: "2026-01-01T00:00:00Z" }]);
  assert.deepEqual(told.resets, [{ channels: ["iot_pump"] }]);
  assert.equal(page.server.last.url.searchParams.get("wait"), "25");
});
