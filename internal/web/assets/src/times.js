// Times are relative in lists and absolute on hover; the server wrote both, and
// here they go on: each minute, not each second.
const units = [
  [60, "min"],
  [24, "h"],
  [Infinity, "d"],
];

export function relative(then, now) {
  const ms = then - now;
  const left = ms >= 0;
  let n = Math.floor(Math.abs(ms) / 60000);
  if (n < 1) return left ? "in under 1 min" : "just now";
  for (const [size, unit] of units) {
    if (n < size) return left ? `in ${n} ${unit}` : `${n} ${unit} ago`;
    n = Math.floor(n / size);
  }
}

function refresh() {
  const now = Date.now();
  for (const el of document.querySelectorAll("time[data-relative]")) {
    const text = relative(Date.parse(el.dateTime), now);
    if (el.textContent !== text) el.textContent = text;
  }
  for (const el of document.querySelectorAll("time[datetime]")) {
    if (el.dataset.local) continue;
    el.dataset.local = "true";
    const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", timeZoneName: undefined }).format(new Date(el.dateTime));
    const zone = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" }).formatToParts(new Date(el.dateTime)).find((p) => p.type === "timeZoneName");
    const text = zone ? `${full} ${zone.value}` : full;
    if (el.hasAttribute("data-relative")) el.title = text;
    else el.textContent = text;
  }
}

export function times() {
  refresh();
  setInterval(refresh, 30000);
  document.addEventListener("margay:changed", refresh);
}
