import assert from "node:assert/strict";
import { test } from "node:test";
import { event, open, Page, settle, status, Stream } from "./harness.mjs";

test("events of DjangoRealtime become DOM events by type and by id", async () => {
  const page = new Page(), stream = new Stream();
  page.server.next(stream.answer);
  const { window } = page;
  const told = [];
  for (const name of ["djr:connected", "djr:task", "djr:task:42", "djr:task:0", "djr:message"]) {
    window.addEventListener(name, ({ type, detail }) => told.push([type, detail]));
  }
  page.run("");
  const { DjangoRealtime } = window;
  const heard = [];
  const stop = DjangoRealtime.subscribe("task", ({ n }) => heard.push(n));
  const connection = DjangoRealtime.connect({ shared: false, endpoint: "/events/x/", onConnect: () => told.push("onConnect") });
  await settle();
  const at = (n, data) => event("@user/7:" + n, JSON.stringify(data), data.type);
  await stream.write(open("@user/7:0") + at(1, { type: "task", ":id": 42, n: 1 }) + at(2, { type: "task", ":id": 0, n: 2 }));
  stop();
  await stream.write(at(3, { type: "task", n: 3 }));
  connection.close();
  assert.deepEqual(told, [
    ["djr:connected", { type: "connected" }], "onConnect",
    ["djr:task", { type: "task", ":id": 42, n: 1 }], ["djr:task:42", { type: "task", ":id": 42, n: 1 }],
    ["djr:task", { type: "task", ":id": 0, n: 2 }], ["djr:task:0", { type: "task", ":id": 0, n: 2 }],
    ["djr:task", { type: "task", n: 3 }],
  ]);
  assert.deepEqual(heard, [1, 2]);
});

test("data-connect connects when the page is there", async () => {
  for (const [auto, path] of [["", "/realtime/sse/"], ["/own/", "/own/"]]) {
    const page = new Page({ auto });
    page.run("");
    await settle();
    assert.equal(page.server.requests.length, 0);
    page.tell("DOMContentLoaded");
    await settle();
    assert.equal(page.server.last.url.pathname, path);
    page.window.djangoRealtimeConnection.close();
  }
});

test("each attempt that fails is told", async () => {
  const page = new Page();
  page.server.next(status(403));
  page.run("");
  const failures = [];
  const connection = page.window.DjangoRealtime.connect({ shared: false, onError: (e) => failures.push(e.type) });
  await settle();
  connection.close();
  assert.deepEqual(failures, ["error"]);
});
