import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { event, open, Page, settle, status, Stream } from "./harness.mjs";

const extension = readFileSync(new URL("htmx-griphub.js", import.meta.url), "utf8");

// A page with htmx, as far as an extension sees it: elements are objects with attributes and a parent.
function htmxPage() {
  const page = new Page(), told = [];
  let hooks;
  const api = {
    getAttributeValue: (element, name) => element[name],
    getInternalData: (element) => (element.internal ??= {}),
    getTriggerSpecs: (element) => element["hx-trigger"].split(",").map((trigger) => ({ trigger: trigger.trim() })),
    getClosestMatch(element, is) {
      for (; element; element = element.parent) if (is(element)) return element;
      return null;
    },
    getTarget: (element) => element,
    getSwapSpecification: () => ({}),
    withExtensions() {},
    swap: (element, content) => element.shows.push(content),
    triggerEvent: (element, name, detail) => told.push([name, detail.type]) > 0 && !element.cancels?.includes(name),
    triggerErrorEvent: (element, name, { error }) => told.push([name, error.message]),
  };
  Object.assign(page.globals, {
    EventSource: { CONNECTING: 0, OPEN: 1, CLOSED: 2 },
    htmx: {
      defineExtension: (name, defined) => { hooks = defined; assert.equal(name, "sse"); },
      trigger: (element, name, { data } = {}) => told.push([name, data]),
    },
  });
  const there = new Set();
  page.document.contains = (element) => there.has(element);
  page.run("", extension);
  hooks.init(api);
  const add = (attributes) => {
    const element = { shows: [], ...attributes };
    there.add(element);
    hooks.onEvent("htmx:afterProcessNode", { target: element });
    return element;
  };
  return { page, told, add, there, cleanUp: (element) => hooks.onEvent("htmx:beforeCleanupElement", { target: element }) };
}

function opened(page) {
  const stream = new Stream();
  page.server.next(stream.answer);
  return stream;
}

test("events are swapped and trigger by their names, and each goes where it is awaited", async () => {
  const { page, told, add } = htmxPage();
  const stream = opened(page);
  const main = add({ "sse-connect": "/events/list/" });
  const item = add({ parent: main, "sse-swap": "item, other" }), message = add({ parent: main, "sse-swap": "message" });
  add({ parent: main, "hx-trigger": "click, sse:item" });
  const refused = add({ parent: main, "sse-swap": "item", cancels: ["htmx:sseBeforeMessage"] });
  add({ "sse-swap": "item" }); // which listens to nothing
  await settle();
  await stream.write(open("list:0") + event("list:1", "<b>1</b>") + event("list:2", "<b>2</b>", "other") + "data: unnamed\n\n");
  assert.deepEqual([item.shows, message.shows, refused.shows], [["<b>1</b>", "<b>2</b>"], ["unnamed"], []]);
  assert.deepEqual(told.filter(([name]) => name === "sse:item"), [["sse:item", "<b>1</b>"]]);
  assert.deepEqual(told[0], ["htmx:sseOpen", undefined]);
  assert.equal(main.internal.sseEventSource.readyState, 1);
  assert.equal(page.server.last.credentials, "include");
  main.internal.sseEventSource.close();
});

test("elements that name the same address share one connection, each from its own place", async () => {
  const { page, add, cleanUp } = htmxPage();
  const first = opened(page);
  const now = Array.from({ length: 9 }, () => add({ "sse-connect": "/events/list/", "sse-swap": "item" }));
  await settle();
  await first.write(open("list:3"));
  const second = opened(page);
  const early = add({ "sse-connect": "/events/list/?lastEventId=list:1", "sse-swap": "item" });
  await settle();
  await second.write(open("list:1") + ["2", "3", "4"].map((n) => event("list:" + n, n)).join(""));
  assert.equal(page.server.requests.length, 2);
  assert.deepEqual(early.shows, ["2", "3", "4"]);
  for (const element of now) assert.deepEqual(element.shows, ["4"]);
  for (const element of [...now, early]) cleanUp(element);
  await settle();
  assert.equal(second.ended, true);
});

test("failures are told, and the place is kept", async () => {
  const { page, told, add, cleanUp } = htmxPage();
  page.server.next(status(502));
  const main = add({ "sse-connect": "/events/list/?lastEventId=list:7", "sse-swap": "item" });
  await settle();
  assert.deepEqual(told, [["htmx:sseError", "status 502"]]);
  page.tell("online");
  await settle();
  assert.equal(page.server.last.url.searchParams.get("lastEventId"), "list:7");
  cleanUp(main);
  assert.deepEqual(told.at(-1), ["htmx:sseClose", "nodeReplaced"]);
});

test("a stream ends by the event that sse-close names, and where its element is gone", async () => {
  for (const [end, type] of [[(s) => s.write(event("list:1", "", "enough")), "message"], [(s, gone) => { gone(); return s.write(event("list:1", "x")); }, "nodeMissing"]]) {
    const { page, told, add, there } = htmxPage();
    const stream = opened(page);
    const main = add({ "sse-connect": "/events/list/", "sse-close": "enough", "sse-swap": "item" });
    await settle();
    await stream.write(open("list:0"));
    await end(stream, () => there.delete(main));
    assert.deepEqual(told.at(-1), ["htmx:sseClose", type]);
    assert.equal(stream.ended, true);
    assert.deepEqual(main.shows, []);
  }
});

test("a loss is a message of its own", async () => {
  const { page, add, cleanUp } = htmxPage();
  const stream = opened(page);
  const main = add({ "sse-connect": "/events/list/?lastEventId=list:90", "sse-swap": "stream-reset,item" });
  await settle();
  await stream.write(`event: stream-reset\nid: list:3\ndata: {"channels":["list"]}\n\n` + event("list:4", "4"));
  assert.deepEqual(main.shows, ['{"channels":["list"]}', "4"]);
  cleanUp(main);
});
