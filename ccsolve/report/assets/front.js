// The front: least losses and their bounds by budget; the chosen point follows the bar.
function frontChart(data, container, choose) {
  const { front, plans } = data;
  let log = plans.length > 1;
  let chosen = front.start;
  let parts = null;

  function losses() {
    return [...front.points, ...front.places].map((point) => point.loss);
  }

  function span() {
    const high = Math.max(...losses());
    if (!log) return [Math.min(0, ...losses()), high * 1.06 || 1];
    const positive = losses().filter((loss) => loss > 0);
    const low = positive.length ? Math.min(...positive) : high / 10;
    return [Math.max(low, high * 1e-5) / 1.3, high * 1.4];
  }

  function draw(width) {
    const height = width < 520 ? 280 : 360;
    const box = { left: width < 520 ? 50 : 62, right: width - 22, top: 34, bottom: height - 46 };
    const x = scale(0, 1, box.left, box.right);
    const [low, high] = span();
    const inner = scale(low, high, box.bottom, box.top, log);
    const y = (loss) => inner(Math.max(loss ?? low, low));
    const share = (point) => x(point.cost / front.dense);
    const steps = width < 520 ? [0, 0.25, 0.5, 0.75, 1] : linearTicks(0, 1, 10);
    const ticks = log ? logTicks(low, high) : linearTicks(low, high, 5);
    const names = [`${front.name} that remain`, "predicted rise of the loss"];
    const text = (value) => `${Math.round(100 * value)}${THIN}%`;
    const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img" });
    root.setAttribute("aria-label", `Least predicted loss at ${front.points.length} budgets; the table below has the numbers.`);
    root.append(frame(box, x, y, steps, ticks, names, text));
    const bounded = front.points.filter((point) => point.bound !== null);
    const line = (key) => (point) => [share(point), y(point[key])];
    if (front.loose && bounded.length > 1) {
      const area = [...bounded.map(line("loss")), ...bounded.map(line("bound")).reverse()];
      root.append(svg("path", { d: `${path(area)}Z`, class: "between" }));
    }
    root.append(svg("path", { d: path(front.points.map(line("loss"))), class: "loss" }));
    if (front.loose && bounded.length > 1) root.append(svg("path", { d: path(bounded.map(line("bound"))), class: "bound" }));
    for (const point of front.points) root.append(svg("circle", { cx: share(point), cy: y(point.loss), r: 2, class: "dot" }));
    for (const place of front.places) root.append(mark(share(place), y(place.loss), place.plan));
    parts = { root, box, share, y, x };
    parts.rule = svg("line", { y1: box.top, y2: box.bottom, class: "rule" });
    parts.ring = svg("circle", { r: 9, class: "ring" });
    root.append(parts.rule, parts.ring);
    container.replaceChildren(root);
    listen(root);
    show(chosen);
  }

  function nearest(event) {
    const left = event.clientX - parts.root.getBoundingClientRect().left;
    let best = 0;
    front.points.forEach((point, at) => {
      if (Math.abs(parts.share(point) - left) < Math.abs(parts.share(front.points[best]) - left)) best = at;
    });
    return best;
  }

  function underPointer(event) {
    const area = parts.root.getBoundingClientRect();
    return front.places.find((place) => Math.hypot(
      parts.share(place) - (event.clientX - area.left), parts.y(place.loss) - (event.clientY - area.top)) < 10);
  }

  function explain(event) {
    const place = underPointer(event);
    const point = place || front.points[nearest(event)];
    const lines = [place ? plans[place.plan] : `${percent(point.cost / front.dense)} of the ${front.name}`];
    if (place) lines.push(`${percent(point.cost / front.dense)} of the ${front.name}`);
    lines.push(`loss ${number(point.loss)}${place ? " on this scale" : ""}`);
    if (!place) lines.push(`bound ${number(point.bound)}, gap ${gapText(point.gap)}`);
    showTip(event, lines);
  }

  function listen(root) {
    root.addEventListener("pointermove", (event) => {
      explain(event);
      if (event.buttons === 1) choose(nearest(event));
    });
    root.addEventListener("pointerdown", (event) => choose(nearest(event)));
    root.addEventListener("pointerleave", hideTip);
  }

  function show(at) {
    chosen = at;
    if (!parts) return;
    const point = front.points[at];
    for (const end of ["x1", "x2"]) parts.rule.setAttribute(end, parts.share(point));
    parts.ring.setAttribute("cx", parts.share(point));
    parts.ring.setAttribute("cy", parts.y(point.loss));
  }

  follow(container, draw);
  return {
    show,
    setLog(value) {
      log = value;
      draw(Math.floor(container.clientWidth));
    },
  };
}
