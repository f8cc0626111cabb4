// Draws courses of values as lines that fill whatever box they are in.
const WIDTH = 120, HEIGHT = 32, MARGIN = 2;
const SVG = "http://www.w3.org/2000/svg";

// chart returns an empty drawing for draw.
export function chart() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true"); // until there is something to see
  svg.append(document.createElementNS(SVG, "polyline"));
  return svg;
}

// draw shows the numbers, oldest first. label is what is read aloud, with the bounds.
export function draw(svg, values, label) {
  let low = Infinity, high = -Infinity;
  for (const v of values) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  const span = high - low || 1, last = values.length - 1;
  let points = "";
  values.forEach((v, i) => {
    points += `${(last ? (WIDTH * i) / last : WIDTH).toFixed(1)},${(HEIGHT - MARGIN - ((v - low) / span) * (HEIGHT - 2 * MARGIN)).toFixed(1)} `;
  });
  svg.firstElementChild.setAttribute("points", points);
  if (values.length === 0) return;
  svg.removeAttribute("aria-hidden");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${label}: from ${low} to ${high}`);
}
