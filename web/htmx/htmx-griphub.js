// htmx-griphub.js gives htmx 2 server-sent events that miss nothing and show nothing twice. It takes the place of
// htmx-ext-sse: the same hx-ext="sse", sse-connect, sse-swap, sse-close, hx-trigger="sse:…" and htmx:sse… events.
//
// - The place in the stream is kept over every reconnect, also after HTTP errors (an EventSource forgets it there).
// - Elements whose sse-connect names the same address share one connection. lastEventId in the address says where an element
//   begins, and may differ: components of a page do not arrive at the same moment.
(() => {
  "use strict";

  const SHORTEST = 500, LONGEST = 64000; // milliseconds between attempts
  const STALE = 60000; // a page that is looked at again after so long without a byte asks anew

  let api;
  const feeds = new Map(); // by address, without lastEventId
  const members = new Map(); // by element: {feed, start}

  // A place is a cursor "channel:number,…" as a Map.
  function place(cursor) {
    const at = new Map();
    for (const part of cursor ? cursor.split(",") : []) {
      const colon = part.lastIndexOf(":");
      at.set(part.slice(0, colon), Number(part.slice(colon + 1)));
    }
    return at;
  }

  // covers tells whether who is at a has seen everything up to b.
  function covers(a, b) {
    for (const [channel, n] of b) if (!((a.get(channel) ?? -1) >= n)) return false;
    return true;
  }

  function merge(a, b, choose) {
    const at = new Map(a);
    for (const [channel, n] of b) at.set(channel, at.has(channel) ? choose(at.get(channel), n) : n);
    return at;
  }

  const text = (at) => [...at].map(([channel, n]) => `${channel}:${n}`).join(",");

  // A Feed is one connection. To pages it looks like an EventSource.
  class Feed extends EventTarget {
    constructor(url, at) {
      super();
      this.url = url;
      this.at = at;
      this.readyState = EventSource.CONNECTING;
      this.attempt = 0;
      this.listeners = new Set();
      this.members = new Set();
      this.schedule(0);
    }

    schedule(delay) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.connect(), delay);
    }

    // rewind begins again at an earlier place. Each listener knows what it has seen.
    rewind(at) {
      this.at = this.at.size ? merge(this.at, at, Math.min) : at;
      this.again();
    }

    again() {
      this.request?.abort();
      this.request = null;
      this.schedule(0);
    }

    async connect() {
      const request = (this.request = new AbortController());
      this.readyState = EventSource.CONNECTING;
      const address = new URL(this.url);
      if (this.at.size) address.searchParams.set("lastEventId", text(this.at));
      try {
        const response = await fetch(address, {
          headers: { Accept: "text/event-stream" }, credentials: "include", cache: "no-store", signal: request.signal,
        });
        if (!response.ok) throw new Error(`the stream answers with status ${response.status}`);
        if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) throw new Error("the answer is no event stream");
        this.readyState = EventSource.OPEN;
        this.tell("htmx:sseOpen", { source: this });
        await this.read(response.body.getReader(), request);
        if (request !== this.request) return;
        throw new Error("the stream has ended");
      } catch (error) {
        if (request !== this.request) return;
        this.readyState = EventSource.CONNECTING;
        for (const element of [...this.members]) api.triggerErrorEvent(element, "htmx:sseError", { error, source: this });
        const delay = Math.min(SHORTEST * 2 ** this.attempt++, LONGEST);
        if (request === this.request) this.schedule(delay * (0.7 + 0.6 * Math.random()));
      }
    }

    // read parses the stream (HTML Living Standard, section 9.2.6) until it ends.
    async read(reader, request) {
      const decoder = new TextDecoder();
      let rest = "", parts = [], message = { name: "", data: [] }, id;
      for (;;) {
        const { done, value } = await reader.read();
        if (done || request !== this.request) return;
        this.heard = Date.now();
        const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
        rest = lines.pop();
        for (const raw of lines) {
          const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
          if (line === "") {
            if (message.data.length) parts.push({ name: message.name || "message", data: message.data.join("\n") });
            // The comment "more" says that the next block belongs to the same event, which has one id, at its end.
            if (!message.more && (parts.length || id !== undefined)) {
              this.deliver(parts, id);
              if (request !== this.request) return;
              parts = [];
            }
            message = { name: "", data: [] };
            id = undefined;
            continue;
          }
          const colon = line.indexOf(":");
          const field = colon < 0 ? line : line.slice(0, colon);
          const content = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
          if (field === "event") message.name = content;
          else if (field === "data") message.data.push(content);
          else if (field === "id") id = content;
          else if (field === "" && content === "more") message.more = true;
        }
      }
    }

    deliver(parts, id) {
      const failed = parts.some((part) => part.name === "stream-error");
      const at = id && !failed ? place(id) : null;
      if (!failed) this.attempt = 0;
      if (at) this.at = at;
      // After a reset the places that were seen before mean nothing.
      const reset = parts.some((part) => part.name === "stream-reset");
      const messages = parts.map((part) => new MessageEvent(part.name, { data: part.data, lastEventId: text(this.at) }));
      for (const listener of [...this.listeners]) {
        if (!this.listeners.has(listener)) continue; // gone by what another has swapped
        if (!document.contains(listener.member)) {
          api.triggerEvent(listener.member, "htmx:sseClose", { source: this, type: "nodeMissing" });
          leave(listener.member);
          continue;
        }
        if (!document.contains(listener.element)) {
          this.listeners.delete(listener);
          continue;
        }
        if (at && !reset && covers(listener.seen, at)) continue;
        if (at) listener.seen = reset ? at : merge(listener.seen, at, Math.max);
        for (const message of messages) {
          if (message.type !== listener.name) continue;
          try {
            listener.call(message);
          } catch (error) {
            reportError(error);
          }
        }
      }
      for (const message of messages) this.dispatchEvent(message);
    }

    tell(name, detail) {
      for (const element of [...this.members]) api.triggerEvent(element, name, detail);
    }

    close() {
      this.readyState = EventSource.CLOSED;
      this.request?.abort();
      this.request = null;
      clearTimeout(this.timer);
      if (feeds.get(this.url) === this) feeds.delete(this.url);
    }
  }

  function join(element) {
    const url = new URL(api.getAttributeValue(element, "sse-connect"), document.baseURI);
    const start = place(url.searchParams.getAll("lastEventId").filter(Boolean).at(-1));
    url.searchParams.delete("lastEventId");
    let feed = feeds.get(url.href);
    if (!feed) feeds.set(url.href, (feed = new Feed(url.href, start)));
    else if (start.size && (!feed.at.size || !covers(start, feed.at))) feed.rewind(start);
    feed.members.add(element);
    members.set(element, { feed, start });
    api.getInternalData(element).sseEventSource = feed;
    const close = api.getAttributeValue(element, "sse-close");
    if (close) {
      listen(element, element, close, () => {
        api.triggerEvent(element, "htmx:sseClose", { source: feed, type: "message" });
        leave(element);
      });
    }
    if (feed.readyState === EventSource.OPEN) setTimeout(() => api.triggerEvent(element, "htmx:sseOpen", { source: feed }));
  }

  function leave(element) {
    const member = members.get(element);
    if (!member) return;
    const { feed } = member;
    members.delete(element);
    feed.members.delete(element);
    for (const listener of feed.listeners) if (listener.member === element) feed.listeners.delete(listener);
    if (feed.members.size === 0) feed.close();
  }

  function listen(member, element, name, call) {
    const { feed, start } = members.get(member);
    for (const other of feed.listeners) if (other.element === element && other.name === name && other.kind === call.kind) return;
    // What came before is in the page already: up to the place that the element names, or up to now.
    const seen = merge(start, feed.at, Math.max);
    feed.listeners.add({ member, element, name, call, kind: call.kind, seen });
  }

  function register(element) {
    const swaps = api.getAttributeValue(element, "sse-swap");
    const triggers = api.getAttributeValue(element, "hx-trigger") ? api.getTriggerSpecs(element) : [];
    const names = triggers.map((spec) => spec.trigger).filter((trigger) => trigger.startsWith("sse:"));
    if (!swaps && names.length === 0) return;
    const member = api.getClosestMatch(element, (node) => members.has(node));
    if (!member) return;
    for (const name of swaps ? swaps.split(",").map((word) => word.trim()) : []) {
      const swap = (message) => {
        if (!api.triggerEvent(element, "htmx:sseBeforeMessage", message)) return;
        let content = message.data;
        api.withExtensions(element, (extension) => {
          content = extension.transformResponse(content, null, element);
        });
        api.swap(api.getTarget(element), content, api.getSwapSpecification(element), { contextElement: element });
        api.triggerEvent(element, "htmx:sseMessage", message);
      };
      swap.kind = "swap";
      listen(member, element, name, swap);
    }
    for (const name of names) {
      const trigger = (message) => {
        htmx.trigger(element, name, message);
        htmx.trigger(element, "htmx:sseMessage", message);
      };
      trigger.kind = name;
      listen(member, element, name.slice("sse:".length), trigger);
    }
  }

  // A page that is left lets its connections go; one that is come back to, or whose network is, asks at once.
  const everywhere = (act) => () => [...feeds.values()].forEach(act);
  addEventListener("pagehide", everywhere((feed) => {
    feed.request?.abort();
    feed.request = null;
    clearTimeout(feed.timer);
  }));
  addEventListener("pageshow", (event) => {
    if (event.persisted) everywhere((feed) => feed.again())();
  });
  addEventListener("online", everywhere((feed) => feed.again()));
  document.addEventListener("visibilitychange", everywhere((feed) => {
    if (!document.hidden && feed.heard && Date.now() - feed.heard > STALE) feed.again();
  }));

  htmx.defineExtension("sse", {
    init(internal) {
      api = internal;
    },
    getSelectors: () => ["[sse-connect]", "[data-sse-connect]", "[sse-swap]", "[data-sse-swap]"],
    onEvent(name, event) {
      const element = event.target || event.detail.elt;
      if (name === "htmx:beforeCleanupElement" && members.has(element)) {
        api.triggerEvent(element, "htmx:sseClose", { source: members.get(element).feed, type: "nodeReplaced" });
        leave(element);
      }
      if (name === "htmx:afterProcessNode") {
        if (api.getAttributeValue(element, "sse-connect") && !members.has(element)) join(element);
        register(element);
      }
    },
  });
})();
