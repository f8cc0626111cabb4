// Makes the administrators' pages live. Without it they are the same, and a reload shows what is new.
import { Log } from "./log.js";
import { ask } from "./ask.js";
import { fresh, localTimes, reading } from "./page.js";

localTimes(document);
ask(document);

const log = document.querySelector("[data-live]");
if (log) new Log(log).run();

// What the page shows of a moment is read again, unless somebody is reading it, or pointing at it.
for (const element of document.querySelectorAll("[data-refresh]")) {
  const again = async () => {
    if (!document.hidden && !reading(element)) {
      try {
        const now = (await fresh(element.dataset.from)).getElementById(element.id);
        if (now && !reading(element) && now.innerHTML !== element.innerHTML) element.replaceChildren(...now.childNodes);
      } catch {
        // The next time shows whether it answers again.
      }
    }
    setTimeout(again, element.dataset.refresh);
  };
  setTimeout(again, element.dataset.refresh);
}

// Times in forms are the viewer's; the server gets them with their zone.
for (const form of document.querySelectorAll("form")) {
  const times = form.querySelectorAll("input[type=datetime-local]");
  for (const input of times) {
    const utc = input.getAttribute("value");
    if (!utc) continue;
    const time = new Date(/Z$/.test(utc) ? utc : `${utc}Z`);
    input.value = new Date(time - time.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  }
  form.addEventListener("formdata", ({ formData }) => {
    for (const { name, value } of times) formData.set(name, value && new Date(value).toISOString().slice(0, 19));
    if (form.method === "get") for (const [name, value] of [...formData]) if (!value) formData.delete(name);
  });
}
