// The browser client of griphub. griphub serves this file as a classic script, which sets window.griphub, and as a module,
// which exports connect; client.go puts the lines around it that differ, and defines HERE, the script's own address, AUTO, its
// attribute data-connect, and VERSION. Lines that are comments are left out of what is served.
//
// From the network to the page:
//
//   Feed      one connection, and the place in the stream that it has come to
//   Exchange  one Feed for all its members
//   Viewer    what one call of connect has seen; nothing reaches it twice
//
// An Exchange lives in a SharedWorker, else in the tab that holds a lock (Web Locks) and tells the others by a
// BroadcastChannel, else in each tab.

const OPENING = 10e3; // for so long a way may take until the stream is open; then the next way is tried
const STALE = 70e3; // a connection that is silent for longer is dead: every way says something at least every 30 s
const CHECK = 10e3;
const LONGEST = 64e3; // between two attempts
const LESSER = 6e5; // for so long polls go on before the ways that are better are tried again

// A place is a cursor, "channel:number,…", as a Map.

const place = (cursor) => new Map((cursor ? cursor.split(",") : []).map((part) => {
  const colon = part.lastIndexOf(":");
  return [part.slice(0, colon), +part.slice(colon + 1)];
}));

const text = (at) => [...at].map(([channel, n]) => channel + ":" + n).join();

// covers tells whether who is at a has seen everything up to b.
const covers = (a, b) => [...b].every(([channel, n]) => a.get(channel) >= n);

const merge = (a, b, choose) => {
  const at = new Map(a);
  for (const [channel, n] of b) at.set(channel, at.has(channel) ? choose(at.get(channel), n) : n);
  return at;
};

const MARK = "%40snapshot/"; // a place in the middle of a snapshot has it

// onward is the place of who was at a, and has got what stands at b.
const onward = (a, b) => new Map([...merge(a, b, Math.max)].filter(([channel]) => b.has(channel) || !channel.startsWith(MARK)));

// An Unusable way does not work here, whatever is asked: another may.
class Unusable extends Error {}

class Feed {
  constructor(settings, cursor, post) {
    Object.assign(this, settings, { at: place(cursor), post, ways: waysTo(settings.url), way: 0, attempt: 0, base: 1e3, state: "connecting" });
    this.online = () => this.again();
    addEventListener("online", this.online);
    this.timer = setInterval(() => this.check(), CHECK);
    this.run();
  }

  // run keeps a connection until the feed is closed.
  async run() {
    while (!this.closed) {
      const abort = (this.abort = new AbortController());
      const slow = setTimeout(() => abort.abort(new Unusable("no answer in time")), OPENING);
      const begun = (this.heard = Date.now());
      let opened, failure;
      this.opened = (id) => {
        if (opened) return;
        clearTimeout(slow);
        opened = true;
        if (!this.at.size) this.at = place(id);
        this.tell("open");
        if (this.early) this.rewind(this.early);
      };
      try {
        await this.ways[this.way](this, abort.signal);
      } catch (error) {
        failure = abort.signal.aborted ? abort.signal.reason : error;
      }
      clearTimeout(slow);
      abort.abort();
      if (this.closed) return;
      this.tell("connecting", this.hurry ? undefined : String(failure?.message || "the connection has ended"));
      if (opened && Date.now() - begun > 5e3) this.attempt = 0;
      let another; // way that is tried at once
      if (opened) this.way = 0; // what a better one met with may be gone
      else if (failure instanceof Unusable) another = this.way = (this.way + 1) % this.ways.length;
      if (!this.hurry && !another) {
        // Up to a quarter sooner or later, so that many who were cut off together do not come back together.
        const delay = Math.min(this.base * 2 ** this.attempt++, LONGEST) * (0.75 + Math.random() / 2);
        await new Promise((done) => { this.wake = done; setTimeout(done, Math.max(delay, failure?.wait ?? 0)); });
      }
      this.hurry = false;
    }
  }

  // again connects at once, also where there is a connection: it may be one of a network that is gone.
  again() {
    this.hurry = true;
    this.attempt = 0;
    this.abort.abort();
    this.wake?.();
  }

  check() {
    if (this.state === "open" && Date.now() - this.heard > STALE) this.again();
    this.tell(this.state);
  }

  // rewind goes on at an earlier place, as soon as it is known where those begin who begin now. Every viewer knows what it has seen.
  rewind(at) {
    if (this.at.size) {
      this.early = null;
      this.top ??= this.at;
      this.at = merge(this.at, at, Math.min);
      this.again();
    } else this.early = merge(this.early ?? at, at, Math.min);
  }

  // tell says how it stands, what went wrong, and where those begin who begin now: not where it was rewound to. Members take a
  // message without a change as a sign of life.
  tell(state, error) {
    this.state = state;
    if (this.top && covers(this.at, this.top)) this.top = null;
    this.post({ state, error, cursor: text(this.top ?? this.at) });
  }

  // take passes the events of one place on; there may be none.
  take(events, id, replay) {
    if (id) this.at = onward(this.at, place(id));
    if (events.length) this.post({ events, id, replay });
  }

  lost(channels, cursor) {
    if (cursor) this.at = place(cursor);
    this.top = null;
    this.post({ reset: { channels }, cursor });
  }

  // address is one of the stream's, with the place in it.
  address(path, name, values) {
    const address = new URL(path, this.url);
    for (const [key, value] of Object.entries(values ?? {})) address.searchParams.set(key, value);
    if (name && this.at.size) address.searchParams.set(name, text(this.at));
    return address;
  }

  async fetch(address, accept, signal) {
    const response = await fetch(address, {
      headers: { Accept: accept }, credentials: this.withCredentials ? "include" : "same-origin", cache: "no-store", signal,
    });
    if (response.ok && response.headers.get("Content-Type")?.startsWith(accept)) return response;
    // 501: no proxy is before this address to hold connections. 409: there is nothing to poll, as nothing is kept.
    const error = new ([409, 501].includes(response.status) ? Unusable : Error)("status " + response.status);
    error.wait = Math.min(parseInt(response.headers.get("Retry-After")) * 1e3 || 0, 36e5);
    throw error;
  }

  close() {
    this.closed = true;
    clearInterval(this.timer);
    removeEventListener("online", this.online);
    this.again();
  }
}

// waysTo are the ways to the events of a stream's address, the best first. Which of them works is found by trying.
function waysTo(url) {
  const { pathname, searchParams } = new URL(url);
  if (searchParams.has("html") || searchParams.has("snapshot")) return [stream];
  const device = pathname.match(/^(.*)\/iot\/stream(\/.+)$/);
  if (device) {
    return [stream, socket(device[1] + "/ws/iot" + device[2]), poll([device[1] + "/iot/poll" + device[2]], 25)];
  }
  const events = pathname.match(/^(.*)\/events(?:\/([^/]+))?\/?$/);
  if (events) {
    const names = events[2] ? [decodeURIComponent(events[2])] : searchParams.getAll("channel");
    const query = new URLSearchParams(names.map((name) => ["channel", name]));
    return [stream, socket(`${events[1]}/ws/events/?${query}`), poll(names.map((name) => `${events[1]}/api/channels/${encodeURIComponent(name)}/events`), 0)];
  }
  return [stream];
}

// stream reads server-sent events (HTML Living Standard, section 9.2). It does so by fetch: an EventSource tells neither the
// names of events nor an error's status, and forgets its place after one.
async function stream(feed, signal) {
  const response = await feed.fetch(feed.address(feed.url, "lastEventId"), "text/event-stream", signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", first = true, parts = [], replay, name, data, id, more;
  const clear = () => { name = id = undefined; data = []; more = false; };
  const block = () => {
    const whole = data.join("\n");
    const opening = first && (name === "stream-open" || name === "connected" || (!name && /^\{"type": ?"connected"\}$/.test(whole)));
    if (name === "stream-error") throw new Error(whole);
    if (data.length || id) feed.opened(opening ? id : "");
    if (data.length) first = false;
    if (name === "stream-reset") feed.lost(JSON.parse(whole).channels, id);
    else if (name === "stream-replay") replay = JSON.parse(whole);
    else if (!opening && name !== "keep-alive") {
      if (data.length) parts.push({ type: name || "message", data: whole });
      // The comment "more" says that the next block belongs to the same event, whose id comes with its last block.
      if (more) return;
      feed.take(parts, id, replay);
      parts = [];
      replay = undefined;
    }
  };
  clear();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    feed.heard = Date.now();
    const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (signal.aborted) return; // what is left is asked for again
      if (!line) {
        block();
        clear();
        continue;
      }
      const [, field, content] = line.match(/^([^:]*):? ?(.*)$/s);
      if (field === "event") name = content;
      else if (field === "data") data.push(content);
      else if (field === "id") id = content;
      else if (field === "retry" && /^\d+$/.test(content)) feed.base = Math.max(+content, 50);
      else if (!field && content === "more") more = true;
    }
  }
}

// eventOf turns a message of WebSockets and polls into what a stream says.
function eventOf({ id, prev, event_id, replay, ...message }) {
  const data = message.device_type === undefined ? message.data : message;
  return [[{ type: message.event || "message", data: typeof data === "string" ? data : JSON.stringify(data) }], id, replay && { event_id, replay }];
}

// socket listens by a WebSocket, which takes several messages in one. The proxy may lose what it sends there: a message tells the place
// before it, and what is missing is asked for. What comes meanwhile waits for the answer.
const socket = (path) => (feed, signal) => new Promise((_, fail) => {
  const address = new URL(path, feed.url);
  address.protocol = address.protocol.replace("http", "ws");
  address.searchParams.set("batch", 1);
  let ws;
  try {
    ws = new WebSocket(address);
  } catch {
    return fail(new Unusable()); // the page's policy forbids it
  }
  let asking = true, waiting = [], opened = false;
  const send = () => ws.send(JSON.stringify({ action: "ping", cursor: text(feed.at) }));
  const ask = () => {
    if (asking) return;
    asking = true;
    send();
  };
  const timer = setInterval(ask, 25e3);
  const end = (error) => {
    clearInterval(timer);
    ws.close();
    fail(error);
  };
  const take = (message) => {
    if (asking || !covers(feed.at, place(message.prev))) {
      waiting.push(message);
      ask();
    } else if (!message.id || !covers(feed.at, place(message.id))) feed.take(...eventOf(message));
  };
  const answered = ({ cursor, more }) => {
    const held = waiting, upTo = place(cursor);
    waiting = [];
    asking = false;
    // Up to the cursor nothing is missing; the rest has to prove it.
    const [known, rest] = [[], []];
    for (const message of held) (covers(upTo, place(message.id)) ? known : rest).push(message);
    const number = (message) => +(message.id ?? "").split(":").pop();
    for (const message of known.sort((a, b) => number(a) - number(b))) feed.take(...eventOf(message));
    feed.take([], cursor);
    // What was sent before the proxy knew of this connection shows by nothing that follows, if nothing does.
    if (!opened) setTimeout(ask, 1e3);
    opened = true;
    feed.opened(cursor);
    rest.forEach(take);
    if (more) ask();
  };
  signal.addEventListener("abort", () => end(signal.reason));
  ws.onopen = send;
  ws.onclose = () => end(opened ? new Error("the WebSocket was closed") : new Unusable());
  ws.onmessage = ({ data }) => {
    if (signal.aborted) return;
    feed.heard = Date.now();
    for (const message of JSON.parse(data)) {
      if (message.event === "pong") answered(message);
      else if (message.event === "stream-reset") feed.lost(message.data.channels, message.cursor);
      else take(message);
    }
  };
});

// poll asks again and again; where the server can, it holds the answer back until there is something.
const poll = (paths, wait) => async (feed, signal) => {
  const ask = async (path, name, values) => {
    const response = await feed.fetch(feed.address(path, name, values), "application/json", signal);
    const answer = await response.json();
    signal.throwIfAborted();
    feed.heard = Date.now();
    return answer;
  };
  for (const path of feed.at.size < paths.length ? paths : []) {
    // Who begins now does not want what was before; a cookie may remember an earlier poll, of which there may be a lot.
    let page;
    do page = await ask(path, "", { limit: 1000 });
    while (wait && page.events.length === 1000);
    feed.at = merge(feed.at, place(page.cursor), (a) => a);
  }
  feed.opened("");
  for (const start = Date.now(); Date.now() - start < LESSER;) {
    const begun = Date.now();
    let some = false;
    for (const path of paths) {
      const { events, cursor, reset } = await ask(path, wait ? "cursor" : "after", wait ? { wait } : {});
      if (reset) feed.lost([...place(cursor).keys()].map(decodeURIComponent), cursor);
      for (const message of events) feed.take(...eventOf(message));
      feed.take([], cursor);
      some ||= events.length > 0;
    }
    if (!some && Date.now() - begun < 4e3) {
      await new Promise((done) => { setTimeout(done, 5e3); signal.onabort = done; });
      signal.throwIfAborted();
    }
  }
};

class Exchange {
  constructor(settings, post) {
    Object.assign(this, { settings, post });
  }

  // join begins for somebody who has come to the cursor; empty for who begins now.
  join(cursor) {
    const { feed } = this;
    if (!feed) {
      this.feed = new Feed(this.settings, cursor, this.post);
      return;
    }
    const at = place(cursor);
    if (at.size && !(feed.at.size && covers(at, feed.at))) feed.rewind(at);
    else feed.tell(feed.state);
  }

  close() {
    this.feed?.close();
  }
}

const exchanges = new Map(); // in this worker or page, by settings

// enrol makes who is to be posted to a member of the Exchange with these settings. With the last that leaves, it ends.
function enrol(settings, post) {
  const key = JSON.stringify(settings);
  let exchange = exchanges.get(key);
  if (!exchange) {
    const members = new Set();
    exchange = Object.assign(new Exchange(settings, (message) => [...members].forEach((member) => member(message))), { members });
    exchanges.set(key, exchange);
  }
  exchange.members.add(post);
  return {
    join: (cursor) => exchange.join(cursor),
    leave() {
      if (!exchange.members.delete(post) || exchange.members.size) return;
      exchange.close();
      exchanges.delete(key);
    },
  };
}

class Viewer {
  constructor({ onEvent, onReset, onState, onError }, cursor) {
    Object.assign(this, { onEvent, onReset, onState, onError, seen: place(cursor), heard: Date.now() });
  }

  cursor() {
    return text(this.seen);
  }

  show(state) {
    if (this.state === state) return;
    this.state = state;
    this.call(this.onState, state);
  }

  call(handler, argument) {
    try {
      handler?.(argument);
    } catch (error) {
      reportError(error); // one handler's mistake costs nobody an event
    }
  }

  take({ state, error, cursor, events, id, replay, reset }) {
    if (this.state === "closed") return;
    this.heard = Date.now();
    if (state) {
      if (!this.seen.size) this.seen = place(cursor);
      this.show(state);
      if (error) this.call(this.onError, new Error(error));
    }
    if (reset) {
      if (cursor) this.seen = place(cursor);
      this.call(this.onReset, reset);
    }
    if (!events) return;
    if (id) {
      const at = place(id);
      if (covers(this.seen, at) && events[0].type !== "snapshot") return;
      this.seen = onward(this.seen, at);
    }
    for (const event of events) this.call(this.onEvent, { ...event, id: id ?? "", ...(replay && { replay: replay.replay, eventId: replay.event_id }) });
  }
}

// The three places for an Exchange. Each gives what lets the viewer join and leave, or fails where it cannot be had.

async function inWorker(settings, viewer) {
  const address = new URL("griphub.js", HERE);
  if (address.origin !== location.origin) throw new Error("a worker of another origin");
  const worker = new SharedWorker(address, { name: "griphub " + VERSION });
  const { port } = worker;
  await new Promise((done, fail) => {
    worker.onerror = fail;
    const slow = setTimeout(fail, OPENING);
    port.onmessage = () => done(clearTimeout(slow));
  });
  port.onmessage = ({ data }) => data.forEach((message) => viewer.take(message));
  return {
    join: () => port.postMessage({ join: settings, cursor: viewer.cursor() }),
    leave() {
      port.postMessage({});
      port.close();
    },
  };
}

async function inOneTab(settings, viewer) {
  const name = `griphub ${VERSION} ${JSON.stringify(settings)}`;
  const channel = new BroadcastChannel(name);
  const waiting = new AbortController();
  let exchange, release;
  const join = () => (exchange ? exchange.join(viewer.cursor()) : channel.postMessage({ join: viewer.cursor() }));
  channel.onmessage = ({ data }) => {
    if (data.join !== undefined) exchange?.join(data.join);
    else viewer.take(data);
    if (data.leads) join();
  };
  // The lock is held until the tab leaves, however it does.
  navigator.locks.request(name, { signal: waiting.signal }, () => new Promise((done) => {
    release = done;
    exchange = new Exchange(settings, (message) => {
      channel.postMessage(message);
      viewer.take(message);
    });
    join();
    channel.postMessage({ leads: true });
  })).catch(() => {});
  return {
    join,
    leave() {
      waiting.abort();
      exchange?.close();
      release?.();
      channel.close();
    },
  };
}

async function inPage(settings, viewer) {
  const { join, leave } = enrol(settings, (message) => viewer.take(message));
  return { join: () => join(viewer.cursor()), leave };
}

let owners = 0;

// alone shares with nobody.
const alone = (settings, viewer) => inPage({ ...settings, owner: ++owners }, viewer);

// enter joins where it can be done, and returns what to call when something may be wrong, and at the end.
function enter(settings, viewer, shared) {
  let link, left;
  (async () => {
    for (const place of shared ? [inWorker, inOneTab, inPage] : [alone]) {
      link = await place(settings, viewer).catch(() => null);
      if (link) break;
    }
    if (left) link.leave();
    else link.join();
  })();
  return {
    join: () => link?.join(),
    leave() {
      left = true;
      link?.leave();
    },
  };
}

function connect(url, { withCredentials = false, lastEventId = "", shared = true, ...handlers } = {}) {
  const address = new URL(url, document.baseURI);
  const start = address.searchParams.getAll("lastEventId").filter(Boolean).pop() || lastEventId;
  address.searchParams.delete("lastEventId");
  const settings = { url: address.href, withCredentials };
  const viewer = new Viewer(handlers, start);
  shared &&= !address.searchParams.has("snapshot"); // which others have not asked for
  let membership;
  const leave = () => {
    membership?.leave();
    membership = null;
  };
  const begin = () => {
    leave();
    viewer.heard = Date.now();
    membership = enter(settings, viewer, shared);
  };
  // Who keeps the Exchange gives a sign of life every CHECK, and once a minute where it is a hidden tab.
  const check = () => {
    if (membership && Date.now() - viewer.heard > 2 * STALE) begin();
  };
  // A page that is left may come back from the back-forward cache, where it must not hold anything. A tab that is frozen must not
  // be the one on which others wait.
  const visible = () => {
    if (document.visibilityState === "visible") check();
  };
  const returned = ({ persisted }) => {
    if (persisted) begin();
  };
  const timer = setInterval(check, CHECK);
  addEventListener("pagehide", leave);
  addEventListener("pageshow", returned);
  document.addEventListener("visibilitychange", visible);
  document.addEventListener("freeze", leave);
  document.addEventListener("resume", begin);
  viewer.show("connecting");
  begin();
  return {
    close() {
      clearInterval(timer);
      removeEventListener("pagehide", leave);
      removeEventListener("pageshow", returned);
      document.removeEventListener("visibilitychange", visible);
      document.removeEventListener("freeze", leave);
      document.removeEventListener("resume", begin);
      leave();
      viewer.show("closed");
    },
  };
}

// The names of DjangoRealtime: events of /realtime/sse/ as DOM events on window.
const DjangoRealtime = {
  connect({ endpoint = "/realtime/sse/", onMessage, onConnect, onError, debug, ...options } = {}) {
    const dispatch = (detail) => {
      const name = "djr:" + (detail?.type || "message");
      if (debug) console.log(name, detail);
      dispatchEvent(new CustomEvent(name, { detail }));
      if (detail?.[":id"] !== undefined) dispatchEvent(new CustomEvent(`${name}:${detail[":id"]}`, { detail }));
      onMessage?.(detail);
    };
    return connect(endpoint, {
      ...options,
      onEvent: ({ data }) => dispatch(JSON.parse(data)),
      onError: () => onError?.(new Event("error")),
      onState(state) {
        if (state !== "open") return;
        dispatch({ type: "connected" });
        onConnect?.();
      },
    });
  },

  subscribe(type, callback) {
    const listener = (e) => callback(e.detail);
    addEventListener("djr:" + type, listener);
    return () => removeEventListener("djr:" + type, listener);
  },
};

const FRAME = 10; // ms: a page shows nothing more often

// gather sends at once what comes after a pause, and once a FRAME what comes in a stream: each message to a page costs it a task.
function gather(send) {
  let waiting = [], last = 0;
  const flush = () => {
    last = Date.now();
    send(waiting);
    waiting = [];
  };
  return (message) => {
    if (waiting.push(message) > 1) return;
    const pause = last + FRAME - Date.now();
    if (pause > 0 && pause <= FRAME) setTimeout(flush, pause);
    else flush();
  };
}

// In a SharedWorker: one Exchange for all that want the same.
if (typeof document === "undefined") {
  addEventListener("connect", ({ ports: [port] }) => {
    let membership;
    const leave = () => membership?.leave();
    port.onmessage = ({ data }) => {
      if (!data.join) return leave();
      membership ??= enrol(data.join, gather((messages) => port.postMessage(messages)));
      membership.join(data.cursor);
    };
    port.addEventListener("close", leave); // of a tab that crashed
    port.postMessage("ready");
  });
} else {
  window.DjangoRealtime = DjangoRealtime;
  if (AUTO !== undefined) {
    addEventListener("DOMContentLoaded", () => { window.djangoRealtimeConnection = DjangoRealtime.connect({ endpoint: AUTO || undefined }); });
  }
}
