// The elements that templates make with the functions chart and time.

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

// griphub-chart draws a course of values. The values of a series outlive the element: an event swaps in a new one that brings
// only the newest.
(() => {
  const series = new Map(); // by name: Map of time → value

  customElements.define("griphub-chart", class extends HTMLElement {
    connectedCallback() {
      const name = this.getAttribute("series");
      const most = Number(this.getAttribute("points")) || 60;
      let values = series.get(name);
      if (!values) series.set(name, (values = new Map()));
      for (const data of this.querySelectorAll("data")) values.set(data.dataset.time, Number(data.value));
      const times = [...values.keys()].sort((a, b) => Date.parse(a) - Date.parse(b));
      for (const time of times.splice(0, Math.max(0, times.length - most))) values.delete(time);
      this.replaceChildren(draw(times.map((time) => values.get(time)), this.getAttribute("label") || ""));
    }
  });

  const WIDTH = 120, HEIGHT = 32;

  function draw(values, label) {
    if (values.length === 0) return "";
    const low = Math.min(...values), high = Math.max(...values), span = high - low || 1;
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `${label}: from ${low} to ${high}`);
    const line = document.createElementNS(svg.namespaceURI, "polyline");
    line.setAttribute("points", values.map((value, i) =>
      `${(values.length > 1 ? (WIDTH * i) / (values.length - 1) : WIDTH).toFixed(1)},${(HEIGHT - 2 - ((value - low) / span) * (HEIGHT - 4)).toFixed(1)}`).join(" "));
    svg.append(line);
    return svg;
  }
})();
