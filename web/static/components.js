// The elements that templates make with the functions chart and time.
import { chart, draw } from "./chart.js";

// griphub-time shows a moment in the viewer's own zone and habit.
customElements.define("griphub-time", class extends HTMLElement {
  connectedCallback() {
    const time = this.querySelector("time");
    if (!time) return;
    const moment = new Date(time.dateTime);
    const today = moment.toDateString() === new Date().toDateString();
    time.textContent = today ? moment.toLocaleTimeString() : moment.toLocaleString();
    time.title = moment.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
  }
});

// The values of a series outlive the element: an event swaps in a new one that brings only the newest.
const series = new Map(); // by name: Map of time → value

// griphub-chart draws a course of values.
customElements.define("griphub-chart", class extends HTMLElement {
  connectedCallback() {
    const name = this.getAttribute("series");
    const most = Number(this.getAttribute("points")) || 60;
    let values = series.get(name);
    if (!values) series.set(name, (values = new Map()));
    for (const data of this.querySelectorAll("data")) values.set(data.dataset.time, Number(data.value));
    const times = [...values.keys()].sort((a, b) => Date.parse(a) - Date.parse(b));
    for (const time of times.splice(0, Math.max(0, times.length - most))) values.delete(time);
    const svg = chart();
    draw(svg, times.map((time) => ({ value: values.get(time), at: Date.parse(time) })), this.getAttribute("label") || "");
    this.replaceChildren(svg);
  }
});
