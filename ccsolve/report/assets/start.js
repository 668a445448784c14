// What the page does once it is there: charts, the bar, folds.
function budgetBar(data) {
  const { front } = data;
  const slider = document.getElementById("budget");
  const shown = Object.fromEntries([...document.querySelectorAll("[data-show]")].map((each) => [each.dataset.show, each]));
  const rows = new Map([...document.querySelectorAll("[data-width]")].map((each) => [each.dataset.width, each]));
  const ranks = new Map([...document.querySelectorAll("[data-rank]")].map((each) => [each.dataset.rank, each]));
  const jumps = [...document.querySelectorAll("[data-point]")];
  const total = document.getElementById("total-width");

  function choose(at) {
    const point = front.points[at];
    slider.value = String(at);
    shown.cost.textContent = `${percent(point.cost / front.dense)} · ${amount(point.cost, front.over)}`;
    shown.loss.textContent = number(point.loss);
    shown.bound.textContent = number(point.bound);
    shown.gap.textContent = gapText(point.gap);
    shown.price.textContent = `At this budget ${priceText(point, front)}`;
    slider.setAttribute("aria-valuetext", `${percent(point.cost / front.dense)} of the ${front.name}, predicted loss ${number(point.loss)}`);
    front.groups.forEach((name, place) => {
      const cell = rows.get(name);
      if (!cell) return;
      cell.textContent = String(point.widths[place]);
      const fill = cell.parentElement.querySelector(".fill");
      fill.style.width = `${(100 * point.widths[place]) / front.sizes[place]}%`;
    });
    front.layers.forEach((name, place) => {
      if (ranks.has(name)) ranks.get(name).textContent = point.ranks[place];
    });
    if (total) total.textContent = String(point.widths.reduce((sum, width) => sum + width, 0));
    for (const button of jumps) button.setAttribute("aria-pressed", String(Number(button.dataset.point) === at));
    chart.show(at);
  }

  const chart = frontChart(data, document.getElementById("front-chart"), choose);
  slider.addEventListener("input", () => choose(Number(slider.value)));
  for (const button of jumps) button.addEventListener("click", () => choose(Number(button.dataset.point)));
  for (const radio of document.querySelectorAll("input[name=scale]")) {
    radio.addEventListener("change", () => chart.setLog(radio.value === "log"));
  }
  choose(front.start);
}

// The columns' names are out of sight where a long table is scrolled.
function rowTips(table) {
  const names = [...table.querySelectorAll("thead th")].map((each) => each.textContent);
  table.tBodies[0].addEventListener("pointermove", (event) => {
    const cells = [...event.target.closest("tr").cells];
    const lines = cells.map((cell, at) => `${names[at]}: ${cell.textContent}`);
    showTip(event, [cells[0].textContent, ...lines.slice(2)]);
  });
  table.tBodies[0].addEventListener("pointerleave", hideTip);
}

function folds() {
  const all = [...document.querySelectorAll("details")];
  for (const each of all) each.open = false;
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all.filter((each) => !each.open);
    for (const each of closed) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of closed) each.open = false;
  });
}

function start() {
  const data = JSON.parse(document.getElementById("data").textContent);
  document.documentElement.classList.add("js");
  document.body.append(tip);
  folds();
  if (data.front) budgetBar(data);
  if (data.measured.length) scatterChart(data, document.getElementById("measured-chart"));
  const table = document.getElementById("widths-table");
  if (table) rowTips(table);
  const canvas = document.getElementById("map");
  if (canvas) likenessMap(data, canvas, document.getElementById("map-group"), document.getElementById("map-text"));
}

start();
