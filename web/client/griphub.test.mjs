import assert from "node:assert/strict";
import { test } from "node:test";
import { event, json, open, Page, pass, settle, status, stopClock, Stream, unreachable } from "./harness.mjs";

const own = { shared: false };

// begin opens a page that follows a stream, which is open.
async function begin(options = own, cursor = "list:0") {
  const page = new Page(), stream = new Stream();
  page.server.next(stream.answer);
  const told = page.follow("/events/list/", options);
  await settle();
  await stream.write(open(cursor));
  return { page, stream, told };
}

// again has the page's next request answered with a stream.
async function again(page, wait = 80e3) {
  const stream = new Stream();
  page.server.next(stream.answer);
  for (let n = page.server.requests.length; wait > 0 && page.server.requests.length === n; wait -= 250) await pass(250, 250);
  return stream;
}

test("a cursor is read and written back", () => {
  const { place, text, covers, merge } = new Page().run("place, text, covers, merge");
  for (const cursor of ["", "a:1", "a:1,b:22", "iot_pump:7", "a%3Ab%2C:3,b:0"]) assert.equal(text(place(cursor)), cursor);
  const [a, b] = [place("a:5,b:2"), place("a:4,b:3")];
  assert.equal(covers(a, place("a:5")), true);
  assert.equal(covers(a, place("a:5,c:0")), false, "an unknown channel has not been seen");
  assert.equal(covers(a, b), false);
  assert.equal(text(merge(a, b, Math.max)), "a:5,b:3");
  assert.equal(text(merge(a, b, Math.min)), "a:4,b:2");
});

test("a snapshot that is cut off goes on, and what comes later follows it", async (t) => {
  stopClock(t);
  const page = new Page(), stream = new Stream();
  page.server.next(stream.answer);
  const told = page.follow("/iot/stream/pump/?snapshot=1");
  await settle();
  const told1 = "iot_pump:41,%40snapshot/p1:0";
  await stream.write(event("iot_pump:41,%40snapshot/:0", "{}", "connected") + event(told1, "one", "snapshot"));
  await stream.cut();
  const second = await again(page);
  assert.equal(page.server.last.url.searchParams.get("lastEventId"), told1);
  await second.write(event(told1, "{}", "connected") + event("iot_pump:42,%40snapshot/p1:0", "one's", "data") + event("iot_pump:42", "two", "snapshot"));
  await second.write(event("iot_pump:43", "two's", "data"));
  assert.deepEqual(told.data(), ["one", "one's", "two", "two's"]);
  await second.cut();
  await again(page);
  assert.equal(page.server.last.url.searchParams.get("lastEventId"), "iot_pump:43");
});

test("events are the same wherever the network cuts them into pieces", async () => {
  const lines = [
    ": a comment", "event: item", "id: list:1", "data: first", "data:  second", "data", "", "",
    "data: no name — ü 🚰", "id: list:2", "unknown: field", "", "id: list:3", "", "event: keep-alive", "data:", "",
    "event: a", "data: 1", ": more", "", "event: b", "data: 2", "id: list:4", "", "event: item", "data: never finished",
  ];
  const want = [
    { type: "item", data: "first\n second\n", id: "list:1" }, { type: "message", data: "no name — ü 🚰", id: "list:2" },
    { type: "a", data: "1", id: "list:4" }, { type: "b", data: "2", id: "list:4" },
  ];
  for (const end of ["\n", "\r\n", "\r"]) {
    const bytes = new TextEncoder().encode(open("list:0") + lines.join(end));
    for (let size = 1; size < 12; size++) {
      const page = new Page(), stream = new Stream();
      page.server.next(stream.answer);
      const told = page.follow("/events/list/", own);
      await settle();
      for (let at = 0; at < bytes.length; at += size) stream.controller.enqueue(bytes.slice(at, at + size));
      await settle();
      assert.deepEqual(told.events, want, `${JSON.stringify(end)} in pieces of ${size}`);
      told.close();
    }
  }
});

test("it waits 1, 2, 4 … 64 s between attempts, each up to a quarter more or less", async (t) => {
  stopClock(t);
  const page = new Page();
  page.server.next(...Array(9).fill(unreachable));
  const told = page.follow("/events/list/", own);
  await pass(300e3, 125);
  told.close();
  const at = page.server.requests.map((request) => request.at);
  for (const [i, seconds] of [1, 2, 4, 8, 16, 32, 64, 64].entries()) {
    const waited = (at[i + 1] - at[i]) / 1e3;
    assert.ok(waited >= 0.75 * seconds - 0.2 && waited <= 1.25 * seconds + 0.2, `attempt ${i + 1} comes after ${waited} s, want about ${seconds} s`);
  }
  assert.equal(told.failures[0], "Failed to fetch");
});

test("it goes on at its place after an HTTP error, and shows nothing twice", async (t) => {
  stopClock(t);
  const { page, stream, told } = await begin();
  await stream.write(event("list:1", "one"));
  const next = new Stream();
  page.server.next(status(502), status(404), next.answer);
  await stream.cut();
  await pass(10e3);
  assert.equal(page.server.requests.length, 4);
  assert.equal(page.server.last.url.searchParams.get("lastEventId"), "list:1");
  await next.write(open("list:1") + event("list:1", "one") + event("list:2", "two"));
  assert.deepEqual(told.data(), ["one", "two"]);
  assert.deepEqual(told.states, ["connecting", "open", "connecting", "open"]);
  assert.deepEqual(told.failures, ["network error", "status 502", "status 404"]);
  told.close();
  assert.equal(told.states.at(-1), "closed");
});

test("it goes on at the opening's place where nothing has come yet", async (t) => {
  stopClock(t);
  const { page, stream, told } = await begin(own, "list:7");
  await stream.cut();
  await again(page);
  assert.equal(page.server.last.url.searchParams.get("lastEventId"), "list:7");
});

for (const [name, header, least, most] of [
  ["seconds", "30", 30e3, 31e3], ["a date", "Wed, 21 Oct 2065 07:28:00 GMT", 700, 1500], ["too many seconds", "99999999", 3600e3, 3601e3],
]) {
  test(`the server's Retry-After of ${name} is no reason to hurry`, async (t) => {
    stopClock(t);
    const page = new Page();
    page.server.next(status(503, { "Retry-After": header }));
    const told = page.follow("/events/list/", own);
    await pass(least - 100, 5e3);
    assert.equal(page.server.requests.length, 1);
    await pass(most - least + 100);
    assert.equal(page.server.requests.length, 2);
    told.close();
  });
}

test("the server's retry is the first wait, but never none", async (t) => {
  stopClock(t);
  const { page, stream, told } = await begin();
  await stream.write("retry: 5000\n");
  await stream.cut();
  await pass(3500);
  assert.equal(page.server.requests.length, 1);
  const next = await again(page);
  await next.write("retry: 0\n\n");
  await next.cut();
  await pass(20, 20);
  assert.equal(page.server.requests.length, 2);
  await again(page, 1e3);
  assert.equal(page.server.requests.length, 3);
});

test("when the browser is online again, it tries at once, and from the start", async (t) => {
  stopClock(t);
  const page = new Page();
  page.server.next(...Array(5).fill(unreachable));
  const told = page.follow("/events/list/", own);
  await pass(20e3);
  assert.equal(page.server.requests.length, 5);
  page.server.next(unreachable);
  page.tell("online");
  await settle();
  assert.equal(page.server.requests.length, 6);
  await pass(1500, 250);
  assert.equal(page.server.requests.length, 7, "the wait is a second again");
});

test("a connection that says nothing for 70 s is made again", async (t) => {
  stopClock(t);
  const { page, stream, told } = await begin();
  for (let i = 0; i < 4; i++) {
    await pass(30e3, 5e3);
    await stream.write(": keep-alive\n\n");
  }
  assert.equal(page.server.requests.length, 1);
  await pass(85e3, 5e3);
  assert.equal(page.server.requests.length, 2);
});

test("a loss is told, and what comes next is shown", async () => {
  const { stream, told } = await begin({ ...own, lastEventId: "list:90" }, "list:90");
  await stream.write(`event: stream-reset\nid: list:3\ndata: {"channels":["list"]}\n\n` + event("list:4", "four"));
  assert.deepEqual(told.resets, [{ channels: ["list"] }]);
  assert.deepEqual(told.data(), ["four"]);
});

test("events of several channels are told apart", async (t) => {
  stopClock(t);
  const { page, stream, told } = await begin(own, "a:0,b:0");
  await stream.write(event("a:1,b:0", "a1") + event("a:1,b:1", "b1") + event("a:2,b:1", "a2"));
  await stream.cut();
  const next = await again(page);
  await next.write(open("a:2,b:1") + event("a:2,b:1", "a2") + event("a:2,b:2", "b2"));
  assert.deepEqual(told.data(), ["a1", "b1", "a2", "b2"]);
});

test("an event that is sent again says so, and one that is not kept has no place", async () => {
  const { stream, told } = await begin();
  await stream.write(`event: stream-replay\ndata: {"replay":2,"event_id":"list:1"}\n: more\n\n${event("list:2", "again")}event: item\ndata: fleeting\n\n`);
  assert.deepEqual(told.events, [
    { type: "item", data: "again", id: "list:2", replay: 2, eventId: "list:1" }, { type: "item", data: "fleeting", id: "" },
  ]);
});

test("a handler's mistake costs nobody an event", async () => {
  const seen = [];
  const { page, stream, told } = await begin({ ...own, onEvent(e) { seen.push(e.data); throw new Error("a mistake"); } });
  await stream.write(event("list:1", "one") + event("list:2", "two"));
  assert.deepEqual(seen, ["one", "two"]);
  assert.equal(page.errors.length, 2);
});

test("calls of connect in a page share one connection, each from its own place", async () => {
  const { page, stream, told } = await begin({}, "list:5");
  const next = new Stream();
  page.server.next(next.answer);
  const early = page.follow("/events/list/?lastEventId=list:3"), now = page.follow("/events/list/");
  await settle();
  assert.equal(stream.ended, true, "the connection begins again, earlier");
  assert.equal(page.server.last.url.searchParams.get("lastEventId"), "list:3");
  page.follow("/events/other/");
  await settle();
  assert.equal(page.server.requests.length, 3, "another stream has another connection");
  await next.write(open("list:3") + ["4", "5", "6"].map((n) => event("list:" + n, n)).join(""));
  assert.deepEqual([told.data(), early.data(), now.data()], [["6"], ["4", "5", "6"], ["6"]]);
  told.close();
  early.close();
  assert.equal(next.ended, undefined);
  now.close();
  await settle();
  assert.equal(next.ended, true, "the last one that leaves ends it");
});

test("who comes with an earlier place before the stream is open gets what was since", async () => {
  const page = new Page(), first = new Stream(), second = new Stream();
  page.server.next(first.answer, second.answer);
  const now = page.follow("/events/list/"), early = page.follow("/events/list/?lastEventId=list:1");
  await settle();
  await first.write(open("list:3") + event("list:4", "too early to be shown"));
  assert.equal(page.server.last.url.searchParams.get("lastEventId"), "list:1");
  await second.write(open("list:1") + ["2", "3", "4"].map((n) => event("list:" + n, n)).join(""));
  assert.deepEqual([now.data(), early.data()], [["4"], ["2", "3", "4"]]);
});

test("a tab that is frozen or left lets go, and goes on where it was", async () => {
  for (const [away, back] of [[["freeze"], ["resume"]], [["pagehide"], ["pageshow", { persisted: true }]]]) {
    const { page, stream, told } = await begin({});
    await stream.write(event("list:1", "one"));
    page.tell(...away);
    await settle();
    assert.equal(stream.ended, true, away[0]);
    const next = new Stream();
    page.server.next(next.answer);
    page.tell(...back);
    await settle();
    assert.equal(page.server.last.url.searchParams.get("lastEventId"), "list:1");
    await next.write(open("list:1") + event("list:2", "two"));
    assert.deepEqual(told.data(), ["one", "two"]);
    told.close();
  }
});

test("cookies go to another origin only where that is said", async () => {
  for (const [options, credentials] of [[own, "same-origin"], [{ ...own, withCredentials: true }, "include"]]) {
    const page = new Page();
    const told = page.follow("https://other.example/events/list/", options);
    await settle();
    assert.equal(page.server.last.credentials, credentials);
    told.close();
  }
});
