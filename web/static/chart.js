// Draws courses of values as lines that fill whatever box they are in.
const WIDTH = 120, HEIGHT = 32, MARGIN = 3;
const SVG = "http://www.w3.org/2000/svg";

// chart returns an empty drawing for draw.
export function chart() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true"); // until there is something to see
  for (const [name, part] of [["polygon", "area"], ["polyline", "line"], ["path", "last"]]) {
    const element = document.createElementNS(SVG, name);
    element.setAttribute("class", part);
    svg.append(element);
  }
  return svg;
}

// bounds are the least and the greatest of the points' values.
export function bounds(points) {
  let low = Infinity, high = -Infinity;
  for (const { value } of points) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

// draw shows the points, {value, at}, oldest first, each at its time. label is what is read aloud, with the bounds.
export function draw(svg, points, label) {
  const [area, line, last] = svg.children;
  const [low, high] = bounds(points);
  const height = high - low || 1, begin = points[0]?.at, duration = points.at(-1)?.at - begin;
  let text = "", x = 0, y = 0;
  for (const { value, at } of points) {
    x = duration ? (WIDTH * (at - begin)) / duration : WIDTH;
    y = HEIGHT - MARGIN - ((value - low) / height) * (HEIGHT - 2 * MARGIN);
    text += `${x.toFixed(1)},${y.toFixed(1)} `;
  }
  line.setAttribute("points", text);
  if (points.length === 0) return;
  area.setAttribute("points", `0,${HEIGHT} ${text}${WIDTH},${HEIGHT}`);
  last.setAttribute("d", `M${x.toFixed(1)},${y.toFixed(1)}h0`); // a dot: the stroke's round end, which no box distorts
  svg.removeAttribute("aria-hidden");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${label}: from ${low} to ${high}`);
}
