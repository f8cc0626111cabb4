// htmx-griphub.js gives htmx 2 server-sent events that miss nothing and show nothing twice. It takes the place of htmx-ext-sse: the
// same hx-ext="sse", sse-connect, sse-swap, sse-close, hx-trigger="sse:…" and htmx:sse… events. client.go serves it behind
// griphub.js, whose connect keeps the place, and shares one connection among all elements and tabs that name the same address.
// lastEventId in the address says where an element begins, and may differ: components of a page do not arrive at the same moment.

let api;
const sources = new Map(); // by the element with sse-connect

// A Source is what such an element listens to. To pages it looks like an EventSource.
class Source extends EventTarget {
  constructor(element) {
    super();
    this.element = element;
    this.url = new URL(api.getAttributeValue(element, "sse-connect"), document.baseURI).href;
    this.readyState = EventSource.CONNECTING;
    this.listeners = new Set();
    sources.set(element, this);
    api.getInternalData(element).sseEventSource = this;
    const end = api.getAttributeValue(element, "sse-close");
    if (end) this.listen(element, end, "", () => this.leave("message"));
    this.connection = connect(this.url, {
      withCredentials: true,
      onEvent: ({ type, data, id }) => this.deliver(type, data, id),
      onReset: (reset) => this.deliver("stream-reset", JSON.stringify(reset), ""),
      onError: (error) => api.triggerErrorEvent(element, "htmx:sseError", { error, source: this }),
      onState: (state) => {
        this.readyState = EventSource[state.toUpperCase()];
        if (state === "open") api.triggerEvent(element, "htmx:sseOpen", { source: this });
      },
    });
  }

  // listen calls for events of that name, once for each kind of reason that the element has.
  listen(element, name, kind, call) {
    for (const other of this.listeners) if (other.element === element && other.name === name && other.kind === kind) return;
    this.listeners.add({ element, name, kind, call });
  }

  deliver(type, data, lastEventId) {
    if (!document.contains(this.element)) return this.leave("nodeMissing");
    const message = new MessageEvent(type, { data, lastEventId });
    for (const listener of [...this.listeners]) {
      if (!this.listeners.has(listener)) continue; // gone by what another has swapped
      if (!document.contains(listener.element)) this.listeners.delete(listener);
      else if (listener.name === type) {
        try {
          listener.call(message);
        } catch (error) {
          reportError(error);
        }
      }
    }
    this.dispatchEvent(message);
  }

  leave(type) {
    api.triggerEvent(this.element, "htmx:sseClose", { source: this, type });
    this.close();
  }

  close() {
    sources.delete(this.element);
    this.listeners.clear();
    this.connection.close();
  }
}

function register(element) {
  const swaps = api.getAttributeValue(element, "sse-swap");
  const triggers = api.getAttributeValue(element, "hx-trigger") ? api.getTriggerSpecs(element) : [];
  const names = triggers.map((spec) => spec.trigger).filter((trigger) => trigger.startsWith("sse:"));
  if (!swaps && names.length === 0) return;
  const source = sources.get(api.getClosestMatch(element, (node) => sources.has(node)));
  if (!source) return;
  for (const name of swaps ? swaps.split(",").map((word) => word.trim()) : []) {
    source.listen(element, name, "swap", (message) => {
      if (!api.triggerEvent(element, "htmx:sseBeforeMessage", message)) return;
      let content = message.data;
      api.withExtensions(element, (extension) => {
        content = extension.transformResponse(content, null, element);
      });
      api.swap(api.getTarget(element), content, api.getSwapSpecification(element), { contextElement: element });
      api.triggerEvent(element, "htmx:sseMessage", message);
    });
  }
  for (const name of names) {
    source.listen(element, name.slice("sse:".length), "trigger", (message) => {
      htmx.trigger(element, name, message);
      htmx.trigger(element, "htmx:sseMessage", message);
    });
  }
}

htmx.defineExtension("sse", {
  init(internal) {
    api = internal;
  },
  getSelectors: () => ["[sse-connect]", "[data-sse-connect]", "[sse-swap]", "[data-sse-swap]"],
  onEvent(name, event) {
    const element = event.target || event.detail.elt;
    if (name === "htmx:beforeCleanupElement") sources.get(element)?.leave("nodeReplaced");
    if (name === "htmx:afterProcessNode") {
      if (api.getAttributeValue(element, "sse-connect") && !sources.has(element)) new Source(element);
      register(element);
    }
  },
});
