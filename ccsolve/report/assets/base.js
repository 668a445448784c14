"use strict";
// Numbers are written as ccsolve/report/words.py writes them.
const DASH = "–", THIN = "\u202f";

function digits(value) {
  if (value === 0) return "0";
  const rounded = Number(value.toPrecision(3));
  const places = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(rounded))));
  return rounded.toFixed(Math.min(places, 100));
}

function number(value) {
  if (value === null || !Number.isFinite(value)) return DASH;
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e6) return digits(value);
  const [mantissa, power] = value.toExponential(2).split("e");
  const raised = [...String(Number(power))].map((sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)]);
  return `${mantissa}·10${raised.join("")}`;
}

function amount(value, resource) {
  const unit = { latency: "µs", memory: "B" }[resource] || "";
  for (const [least, size, prefix] of [[1e12, 1e12, "T"], [1e9, 1e9, "G"], [1e6, 1e6, "M"], [1e4, 1e3, "k"]]) {
    if (Math.abs(value) >= least) return `${digits(value / size)}${THIN}${prefix}${unit}`;
  }
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, THIN) + (unit && THIN + unit);
}

function percent(share, places = 1) {
  return `${(100 * share).toFixed(places)}${THIN}%`;
}

function gapText(value) {
  if (value === null) return "none proven";
  if (value === 0) return `0${THIN}%`;
  return value >= 0.0005 ? percent(value) : `under 0.05${THIN}%`;
}

function priceText(point, front) {
  const step = 0.01 * front.dense;
  const what = `1${THIN}% more ${front.name} (${amount(step, front.over)})`;
  if (!(point.price > 0)) return `${what} buys nothing that is predicted.`;
  const fall = point.price * step;
  const part = point.loss > fall ? `, ${percent(fall / point.loss, 0)} of it` : "";
  return `${what} buys a predicted loss lower by about ${number(fall)}${part}.`;
}

// Drawing: elements of SVG, scales and ticks.
function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function scale(low, high, from, to, log) {
  const place = log ? Math.log10 : (value) => value;
  const span = place(high) - place(low) || 1;
  return (value) => from + ((place(value) - place(low)) / span) * (to - from);
}

function linearTicks(low, high, most) {
  const rough = (high - low) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high * (1 + 1e-9); at += 1) found.push(at * step);
  return found;
}

function logTicks(low, high) {
  const found = [];
  const decades = Math.log10(high / low);
  const signs = decades > 3 ? [1] : decades > 1.5 ? [1, 3] : [1, 2, 5];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power += 1) {
    for (const sign of signs) {
      const value = sign * 10 ** power;
      if (value >= low * 0.999 && value <= high * 1.001) found.push(value);
    }
  }
  return found;
}

function tickText(value) {
  if (value === 0) return "0";
  const plain = Number(value.toPrecision(3));
  return plain >= 1e-4 && plain < 1e4 ? String(plain) : number(value).replace(/\.00·/, "·");
}

function path(points) {
  return points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

// A frame with both axes, their names and a quiet grid; x and y map values to places.
function frame(box, x, y, xTicks, yTicks, names, xText) {
  const { left, right, top, bottom } = box;
  const made = svg("g", { class: "frame", "aria-hidden": "true" });
  for (const value of yTicks) {
    made.append(svg("line", { x1: left, x2: right, y1: y(value), y2: y(value), class: "grid" }));
    made.append(svg("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, tickText(value)));
  }
  for (const value of xTicks) {
    made.append(svg("line", { x1: x(value), x2: x(value), y1: bottom, y2: bottom + 4, class: "axis" }));
    made.append(svg("text", { x: x(value), y: bottom + 18, "text-anchor": "middle" }, xText(value)));
  }
  made.append(svg("line", { x1: left, x2: right, y1: bottom, y2: bottom, class: "axis" }));
  made.append(svg("text", { x: right, y: bottom + 36, "text-anchor": "end", class: "name" }, names[0]));
  made.append(svg("text", { x: 0, y: top - 14, class: "name" }, names[1]));
  return made;
}

function mark(x, y, place, size = 6) {
  const shapes = [
    `M${x} ${y - size}L${x + size} ${y}L${x} ${y + size}L${x - size} ${y}Z`,
    `M${x - size * 0.8} ${y - size * 0.8}h${size * 1.6}v${size * 1.6}h${-size * 1.6}Z`,
    `M${x} ${y - size}L${x + size} ${y + size * 0.8}H${x - size}Z`,
  ];
  return svg("path", { d: shapes[(place + Math.floor(place / 6)) % 3], class: `plan p${place % 6}` });
}

// Draw now, and again whenever the width changes.
function follow(container, draw) {
  let width = 0;
  new ResizeObserver(() => {
    const now = Math.floor(container.clientWidth);
    if (now && now !== width) {
      width = now;
      draw(width);
    }
  }).observe(container);
}
