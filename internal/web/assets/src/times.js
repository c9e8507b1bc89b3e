// Times are relative in lists and absolute on hover; the server wrote both, and
// here they go on: each minute, not each second.
export function relative(then, now) {
  const ms = then - now;
  const minutes = Math.floor(Math.abs(ms) / 60000);
  if (minutes < 1) return ms >= 0 ? "in under 1 min" : "just now";
  const parts = [[Math.floor(minutes / 1440), "d"], [Math.floor(minutes / 60) % 24, "h"], [minutes % 60, "min"]];
  const first = parts.findIndex(([n]) => n > 0);
  const told = parts.slice(first, first + (ms >= 0 ? 2 : 1)).filter(([n]) => n > 0);
  const text = told.map(([n, unit]) => `${n} ${unit}`).join(" ");
  return ms >= 0 ? `in ${text}` : `${text} ago`;
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
