// One tooltip for all charts: lines of text beside the pointer, within the window.
const tip = document.createElement("div");
tip.className = "tip";
tip.setAttribute("aria-hidden", "true");

function showTip(event, lines) {
  const [first, ...others] = lines;
  const head = document.createElement("strong");
  head.textContent = first;
  tip.replaceChildren(head);
  for (const line of others) {
    const row = document.createElement("div");
    row.textContent = line;
    tip.append(row);
  }
  tip.classList.add("shown");
  const { width, height } = tip.getBoundingClientRect();
  const right = event.clientX + 16 + width > document.documentElement.clientWidth;
  const left = right ? event.clientX - width - 16 : event.clientX + 16;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, event.clientY - height - 12)}px`;
}

function hideTip() {
  tip.classList.remove("shown");
}
