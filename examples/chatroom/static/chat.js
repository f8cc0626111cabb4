// Shows the newest messages whenever there is something new, and loads earlier ones as they come into view.
const messages = document.getElementById("messages");
const form = document.getElementById("write");

if (messages) {
  listen(messages.dataset.hub);
  localise(messages);
  watchMore();
}
if (form) write(form);

// listen has griphub's events for everybody told as DOM events, as DjangoRealtime names them.
async function listen(hub) {
  const { DjangoRealtime } = await import(hub + "/griphub.mjs");
  addEventListener("djr:chat_message", refresh);
  // Something may have been said between reading the page and listening.
  addEventListener("djr:connected", refresh);
  DjangoRealtime.connect({
    endpoint: hub + "/realtime/sse/", withCredentials: true,
    onConnect: () => show("open"), onError: () => show("connecting"),
  });
}

function show(state) {
  const lamp = document.getElementById("state");
  lamp.dataset.state = lamp.textContent = state;
}

// One request at a time is under way, and one more if something came meanwhile.
let busy = false, again = false;
async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  do {
    again = false;
    const page = await load("/get-messages/");
    if (page) { messages.replaceChildren(page); watchMore(); }
  } while (again);
  busy = false;
}

async function load(url) {
  const answer = await fetch(url).catch(() => null);
  if (answer?.status === 401) location.assign("/login/");
  if (!answer?.ok) return null;
  // The server has escaped what people wrote; a template's content is inert all the same.
  const page = document.createElement("template");
  page.innerHTML = await answer.text();
  localise(page.content);
  return page.content;
}

function localise(root) {
  for (const time of root.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  }
}

function watchMore() {
  const more = messages.querySelector(".more");
  if (!more) return;
  const next = async () => {
    watcher.disconnect();
    const page = await load(`/get-messages/?offset=${more.dataset.offset}`);
    if (page && more.isConnected) { more.replaceWith(page); watchMore(); }
  };
  const watcher = new IntersectionObserver((entries) => { if (entries.some((e) => e.isIntersecting)) next(); });
  watcher.observe(more);
  more.firstElementChild.addEventListener("click", next);
}

// crypto.randomUUID is there on HTTPS and on this machine alone.
function newID() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("");
}

function write(form) {
  const input = form.elements.message;
  const left = document.getElementById("left");
  const problem = document.getElementById("problem");
  let id, tried = null;
  const count = () => {
    const rest = left.dataset.max - [...input.value.trim()].length;
    left.textContent = rest;
    left.toggleAttribute("data-over", rest < 0);
  };
  input.addEventListener("input", count);
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    // What is sent again after an error is the same message, and comes only once however often it is sent.
    const text = input.value;
    if (text !== tried) id = newID();
    tried = text;
    const body = new URLSearchParams({ message: text, id });
    const answer = await fetch(form.action, { method: "POST", body }).catch(() => null);
    problem.hidden = answer?.ok ?? false;
    if (answer?.ok) {
      // Not what was written meanwhile.
      if (input.value === text) input.value = "";
      if (tried === text) tried = null;
      count();
    } else {
      problem.textContent = answer ? await answer.text() : "The chat room does not answer. Please try again.";
    }
    input.focus();
  });
}
