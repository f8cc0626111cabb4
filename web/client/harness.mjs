// What the scripts' own tests stand on: a page without a browser, a server that does as it is told, and a clock that is
// turned by hand.
import { readFileSync } from "node:fs";
import { afterEach, mock } from "node:test";

const source = readFileSync(new URL("griphub.js", import.meta.url), "utf8");

const connections = [];
afterEach(() => connections.splice(0).forEach((connection) => connection.close()));

// settle lets everything happen that waits for nothing but its turn.
export async function settle() {
  for (let i = 0; i < 20; i++) await new Promise((done) => setImmediate(done));
}

// A Page runs scripts as a tab does, or as a worker where it has no document.
export class Page {
  constructor({ worker = false, SharedWorker, locks, BroadcastChannel, WebSocket, auto } = {}) {
    this.window = new EventTarget();
    this.document = Object.assign(new EventTarget(), { baseURI: "https://hub.example/page", visibilityState: "visible" });
    this.server = new Server();
    this.errors = [];
    const missing = (name) => class { constructor() { throw new Error(`there is no ${name} here`); } };
    this.globals = {
      window: this.window,
      document: worker ? undefined : this.document,
      location: { origin: "https://hub.example", href: "https://hub.example/griphub.js" },
      navigator: { locks },
      addEventListener: this.window.addEventListener.bind(this.window),
      removeEventListener: this.window.removeEventListener.bind(this.window),
      dispatchEvent: this.window.dispatchEvent.bind(this.window),
      fetch: (address, options) => this.server.fetch(address, options),
      reportError: (error) => this.errors.push(error),
      SharedWorker: SharedWorker ?? missing("SharedWorker"),
      BroadcastChannel: BroadcastChannel ?? missing("BroadcastChannel"),
      WebSocket: WebSocket ?? missing("WebSocket"),
      HERE: "https://hub.example/griphub.js", AUTO: auto, VERSION: "test",
    };
  }

  // run runs the client, and what comes after it, and returns what is named.
  run(names, more = "") {
    const globals = Object.keys(this.globals);
    return new Function(...globals, `${source}\n${more}\nreturn { ${names} };`)(...Object.values(this.globals));
  }

  // follow connects, and notes what is told.
  follow(path, options = {}) {
    this.scripts ??= this.run("connect");
    const told = { events: [], states: [], resets: [], failures: [] };
    const connection = this.scripts.connect(path, {
      onEvent: (e) => told.events.push(e), onState: (s) => told.states.push(s), onReset: (r) => told.resets.push(r),
      onError: (e) => told.failures.push(e.message), ...options,
    });
    connections.push(connection);
    return Object.assign(told, { close: () => connection.close(), data: () => told.events.map((e) => e.data) });
  }

  // tell has something happen to the page, or to its document.
  tell(type, fields) {
    for (const target of [this.window, this.document]) target.dispatchEvent(Object.assign(new Event(type), fields));
  }
}

// A Server answers as answers says, in order, and afterwards holds requests without an answer.
class Server {
  requests = [];
  answers = [];

  fetch(address, { headers, credentials, signal }) {
    const request = { url: new URL(address), accept: headers.Accept, credentials, at: Date.now(), signal };
    this.requests.push(request);
    return new Promise((resolve, reject) => {
      const answer = this.answers.shift();
      if (answer) resolve(answer(request));
      else signal.addEventListener("abort", () => reject(signal.reason));
    });
  }

  // next says what the next request is answered with.
  next(...answers) {
    this.answers.push(...answers);
    return this;
  }

  get last() {
    return this.requests.at(-1);
  }
}

// A Stream is an answer that stays open, of which the test writes the text.
export class Stream {
  answer = (request) => {
    const body = new ReadableStream({ start: (controller) => { this.controller = controller; } });
    request.signal.addEventListener("abort", () => this.end(request.signal.reason));
    return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  };

  async write(text) {
    this.controller.enqueue(typeof text === "string" ? new TextEncoder().encode(text) : text);
    await settle();
  }

  end(reason) {
    if (this.ended) return;
    this.ended = true;
    reason ? this.controller.error(reason) : this.controller.close();
  }

  // cut ends it as a lost network does.
  async cut() {
    this.end(new TypeError("network error"));
    await settle();
  }
}

export const status = (code, headers) => () => new Response("", { status: code, headers });
export const json = (value) => () => Response.json(value);
export const unreachable = () => { throw new TypeError("Failed to fetch"); };
export const open = (cursor) => `event: stream-open\nid: ${cursor}\ndata:\n\n`;
export const event = (cursor, data, type = "item") => `event: ${type}\nid: ${cursor}\ndata: ${data}\n\n`;

// stopClock stops the time; pass lets it go on. Call it in each test.
export function stopClock(t) {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1.7e12 });
  t.after(() => mock.timers.reset());
}

// pass lets so many milliseconds go by, in small steps, so that what waits for a moment finds it as it is.
export async function pass(milliseconds, step = 500) {
  await settle();
  for (let left = milliseconds; left > 0; left -= step) {
    mock.timers.tick(Math.min(step, left));
    await settle();
  }
}
