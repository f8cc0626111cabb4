// One device with everything that is known of it, and the course of each of its numbers.
import { bounds, chart, draw } from "./chart.js";
import { moment, show, words } from "./fleet.js";

export class Panel {
  constructor(dialog, onClose) {
    this.dialog = dialog;
    dialog.addEventListener("close", () => {
      this.device = null;
      onClose();
    });
    // A click beside it closes it.
    dialog.addEventListener("click", (e) => e.target === dialog && dialog.close());
  }

  open(device) {
    this.device = device;
    this.fields = new Map();
    this.dialog.querySelector("h2").textContent = device.id;
    this.dialog.querySelector(".fields").replaceChildren();
    this.update();
    if (!this.dialog.open) this.dialog.showModal();
  }

  close() {
    if (this.dialog.open) this.dialog.close();
  }

  update() {
    const device = this.device;
    const facts = { type: device.type, name: device.name, status: words(device.status), seen: moment(device.seen), firmware: device.firmware,
      battery: device.battery == null ? "" : `${device.battery} %` };
    for (const [name, value] of Object.entries(facts)) this.dialog.querySelector(`[data-fact=${name}]`).textContent = value || "–";
    this.dialog.querySelector("[data-fact=status]").dataset.status = device.status;
    for (const name of [...device.values.keys()].sort()) this.field(name);
  }

  field(name) {
    let field = this.fields.get(name);
    if (!field) {
      field = document.getElementById("field").content.firstElementChild.cloneNode(true);
      field.querySelector("h3").textContent = name;
      this.fields.set(name, field);
      this.dialog.querySelector(".fields").append(field);
    }
    field.querySelector("b").textContent = show(this.device.values.get(name));
    const points = this.device.points.get(name);
    if (!points?.length) return;
    let svg = field.querySelector("svg");
    if (!svg) field.querySelector(".chart").append((svg = chart()));
    draw(svg, points, name);
    const [low, high] = bounds(points);
    field.querySelector(".range").textContent = `${low} to ${high}`;
    field.querySelector(".since").textContent = points.length > 1 ? `${points.length} values since ${moment(points[0].at)}` : "";
  }
}
