// Predicted against measured rises of the loss, with the diagonal.
function scatterChart(data, container) {
  const rows = data.measured;
  const values = rows.flatMap((row) => [row.predicted, row.measured, row.repaired ?? row.measured]);
  const positive = values.filter((value) => value > 0);
  const log = positive.length === values.length && Math.max(...values) > 20 * Math.min(...values);
  const high = Math.max(...values, 0) * (log ? 1.5 : 1.08) || 1;
  const low = log ? Math.min(...values) / 1.5 : Math.min(...values, 0) * 1.08;

  function whisker(row, x, y) {
    const ends = [row.measured - row.error, row.measured + row.error].map((value) => y(Math.max(value, low)));
    return svg("line", { x1: x(row.predicted), x2: x(row.predicted), y1: ends[0], y2: ends[1], class: "whisker" });
  }

  function explain(event, row) {
    const lines = [row.series || `${percent(row.budget)} remain`];
    if (row.series) lines.push(`${percent(row.budget)} remain`);
    lines.push(`predicted ${number(row.predicted)}`);
    lines.push(`measured ${number(row.measured)}${row.error === null ? "" : ` ± ${number(row.error)}`}`);
    if (row.repaired !== null) lines.push(`after repair ${number(row.repaired)}`);
    showTip(event, lines);
  }

  function draw(width) {
    const height = Math.min(width, width < 520 ? 320 : 420);
    const box = { left: width < 520 ? 50 : 62, right: Math.min(width - 22, height + 160), top: 34, bottom: height - 46 };
    const x = scale(low, high, box.left, box.right, log);
    const y = scale(low, high, box.bottom, box.top, log);
    const ticks = log ? logTicks(low, high) : linearTicks(low, high, 5);
    const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img" });
    root.setAttribute("aria-label", `Measured against predicted rises of ${rows.length} networks; the table below has the numbers.`);
    root.append(frame(box, x, y, ticks, ticks, ["predicted", "measured"], tickText));
    root.append(svg("line", { x1: x(low), y1: y(low), x2: x(high), y2: y(high), class: "diagonal" }));
    for (const row of rows) {
      if (row.error !== null) root.append(whisker(row, x, y));
      const dots = [mark(x(row.predicted), y(row.measured), row.at, 5)];
      if (row.repaired !== null) {
        dots.unshift(mark(x(row.predicted), y(row.repaired), row.at, 4));
        dots[0].classList.add("hollow");
      }
      for (const dot of dots) {
        dot.addEventListener("pointermove", (event) => explain(event, row));
        dot.addEventListener("pointerleave", hideTip);
        root.append(dot);
      }
    }
    container.replaceChildren(root);
  }

  follow(container, draw);
}
