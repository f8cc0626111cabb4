import assert from "node:assert/strict";
import { test } from "node:test";
import { event, open, Page, settle, Stream } from "./harness.mjs";

// A worker that is shared by pages, and lets the test look inside.
function worker() {
  const page = new Page({ worker: true });
  page.run("");
  class SharedWorker {
    constructor() {
      const { port1, port2 } = new MessageChannel();
      this.port = port1;
      port2.unref();
      port1.unref();
      page.tell("connect", { ports: [port2] });
    }
  }
  return { page, SharedWorker };
}

// Locks are those of a browser: one holder at a time, the others in line.
class Locks {
  #line = [];

  request(_, { signal }, hold) {
    return new Promise((done, fail) => {
      const turn = async () => { done(await hold()); this.#line.shift(); this.#line[0]?.(); };
      signal.addEventListener("abort", () => {
        const at = this.#line.indexOf(turn);
        if (at > 0) this.#line.splice(at, 1), fail(signal.reason);
      });
      if (this.#line.push(turn) === 1) turn();
    });
  }
}

async function until(what, is) {
  for (let i = 0; i < 500 && !is(); i++) await new Promise((done) => setTimeout(done, 2));
  assert.ok(is(), what);
}

// scenes are the places where tabs meet; each gives pages for tabs, and the requests of all of them.
const scenes = {
  "a SharedWorker": () => {
    const { page, SharedWorker } = worker();
    return { tab: () => new Page({ SharedWorker }), server: page.server };
  },
  "Web Locks and a BroadcastChannel": () => {
    const { server } = new Page(), locks = new Locks();
    class Channel extends BroadcastChannel {
      constructor(name) { super(name); this.unref(); }
    }
    return { tab: () => Object.assign(new Page({ locks, BroadcastChannel: Channel }), { server }), server };
  },
};

for (const [name, scene] of Object.entries(scenes)) {
  test(`eight tabs use one connection: ${name}`, async () => {
    const { tab, server } = scene();
    const streams = [new Stream(), new Stream()];
    server.next(streams[0].answer);
    const pages = Array.from({ length: 8 }, tab);
    const told = pages.map((page) => page.follow("/events/list/"));
    await until("one of them asks", () => server.requests.length > 0);
    await streams[0].write(open("list:0"));
    await until("all are told that it is open", () => told.every(({ states }) => states.at(-1) === "open"));
    await streams[0].write(event("list:1", "one"));
    await until("all have the event", () => told.every(({ events }) => events.length === 1));
    assert.equal(server.requests.length, 1);

    // The first tab is frozen, and the second closed: whichever had the connection, the others go on.
    server.next(streams[1].answer);
    pages[0].tell("freeze");
    told[1].close();
    await settle();
    const stream = await (async () => {
      if (!streams[0].ended) return streams[0];
      await until("another takes over", () => server.requests.length === 2);
      assert.equal(server.last.url.searchParams.get("lastEventId"), "list:1");
      await streams[1].write(open("list:1"));
      return streams[1];
    })();
    await stream.write(event("list:2", "two"));
    await until("the others have the next event", () => told.slice(2).every(({ events }) => events.length === 2));
    pages[0].tell("resume");
    await until("the tab that was frozen comes back, earlier", () => server.requests.length > 1);
    assert.ok(told.every(({ events }) => new Set(events.map((e) => e.id)).size === events.length), "nothing is shown twice");
    for (const one of told) one.close();
    await until("the last that leaves ends it", () => server.last.signal.aborted);
  });
}
