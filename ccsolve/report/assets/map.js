// All pairs of one group: channels by channels, kept ones before removed ones.
function likenessMap(data, canvas, chooser, text) {
  const names = Object.keys(data.map);
  let order = [];

  function value(group, first, second) {
    if (first === second) return 100;
    const [row, column] = first < second ? [first, second] : [second, first];
    return group.r[row * group.n - (row * (row + 1)) / 2 + column - row - 1];
  }

  function colour(name) {
    const probe = document.createElement("canvas").getContext("2d");
    probe.fillStyle = getComputedStyle(canvas).getPropertyValue(name).trim();
    const hex = probe.fillStyle;
    return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  }

  function draw() {
    const name = names[Number(chooser.value)];
    const group = data.map[name];
    const kept = new Set(data.kept[name]);
    order = [...Array(group.n).keys()].sort((a, b) => kept.has(b) - kept.has(a) || a - b);
    const [plain, plus, minus] = ["--panel", "--plus", "--minus"].map(colour);
    canvas.width = canvas.height = group.n;
    const context = canvas.getContext("2d");
    const image = context.createImageData(group.n, group.n);
    order.forEach((first, row) => order.forEach((second, column) => {
      const r = value(group, first, second) / 100;
      const end = r > 0 ? plus : minus;
      const at = 4 * (row * group.n + column);
      plain.forEach((from, part) => {
        image.data[at + part] = Math.round(from + Math.abs(r) * (end[part] - from));
      });
      image.data[at + 3] = 255;
    }));
    context.putImageData(image, 0, 0);
    const parted = kept.size < group.n ? `the ${kept.size} kept ones first, then the ${group.n - kept.size} removed` : "all kept";
    text.textContent = `${group.n} channels, ${parted}. Blue is r = 1, red r = −1.`;
    canvas.setAttribute("aria-label", `Correlations of the channels of ${name}`);
  }

  canvas.addEventListener("pointermove", (event) => {
    const area = canvas.getBoundingClientRect();
    const place = (part, size) => Math.min(order.length - 1, Math.max(0, Math.floor((part / size) * order.length)));
    const first = order[place(event.clientY - area.top, area.height)];
    const second = order[place(event.clientX - area.left, area.width)];
    const group = data.map[names[Number(chooser.value)]];
    showTip(event, [`channels ${first} and ${second}`, `r = ${(value(group, first, second) / 100).toFixed(2)}`]);
  });
  canvas.addEventListener("pointerleave", hideTip);
  chooser.addEventListener("change", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
}
