// Live parts. The server says that something changed; the page is fetched again
// and each part with data-live that came back different takes the new one's
// place. Without the stream it asks every 15 seconds. A part under the hand
// waits; a part that asks shows a button instead of moving rows.
const pollEvery = 15000;

export function live() {
  if (!document.querySelector("[data-live]")) return;
  const root = document.documentElement;
  let pending = false;
  let busy = false;
  let poll = 0;
  let held = false; // a part under the hand has something new

  const state = (word) => {
    if (word) root.dataset.live = word;
    else delete root.dataset.live;
  };

  async function refresh() {
    if (busy || document.hidden) {
      pending = true;
      return;
    }
    busy = true;
    pending = false;
    try {
      const answer = await fetch(location.href, { headers: { "Margay-Live": "true", Accept: "text/html" }, redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect" || answer.status === 401) {
        over();
        return;
      }
      if (answer.status === 429 || answer.status >= 500) throw new Error(answer.statusText);
      if (answer.ok) {
        state("");
        take(new DOMParser().parseFromString(await answer.text(), "text/html"));
      }
    } catch {
      state("off");
      pending = true; // the stream says each change once
    } finally {
      busy = false;
      if (pending) setTimeout(refresh, root.dataset.live === "off" ? 5000 : 1000);
    }
  }

  function take(next) {
    held = false;
    for (const part of document.querySelectorAll("[data-live][id]")) {
      const fresh = next.getElementById(part.id);
      if (!fresh || same(part, fresh)) continue;
      if (part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea") || part.querySelector("dialog[open], form[data-sent]")) {
        held = true;
        continue;
      }
      if (part.dataset.live === "ask") {
        ask(part, fresh);
        continue;
      }
      swap(part, fresh);
    }
    for (const count of document.querySelectorAll("[data-live-count]")) {
      const fresh = next.querySelector(`[data-live-count="${CSS.escape(count.dataset.liveCount)}"]`);
      // What is read out is touched only when it says something else.
      if (fresh && fresh.textContent !== count.textContent) count.textContent = fresh.textContent;
    }
  }

  const seen = new WeakMap();
  function same(part, fresh) {
    const before = seen.get(part) ?? part.dataset.print;
    return before !== undefined && before === fresh.dataset.print;
  }

  function swap(part, fresh) {
    const open = [...part.querySelectorAll("details[open][id]")].map((d) => d.id);
    const marked = new Set([...part.querySelectorAll("input[form][type=checkbox]:checked")].map((box) => box.value));
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    seen.set(part, fresh.dataset.print);
    part.dataset.print = fresh.dataset.print;
    part.replaceChildren(...fresh.childNodes);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focused) document.getElementById(focused)?.focus();
    for (const box of part.querySelectorAll("input[form][type=checkbox]")) box.checked = marked.has(box.value);
    globalThis.htmx?.process?.(part);
    document.dispatchEvent(new CustomEvent("margay:changed", { detail: part.id }));
  }

  function ask(part, fresh) {
    let banner = document.getElementById(part.id + "-new");
    if (!banner) {
      banner = document.createElement("button");
      banner.id = part.id + "-new";
      banner.type = "button";
      banner.className = "ask-banner";
      banner.textContent = "There is something new – show it";
      part.before(banner);
    }
    banner.onclick = () => {
      banner.remove();
      swap(part, fresh);
    };
  }

  function over() {
    state("over");
    clearInterval(poll);
    poll = 0;
    stream?.close();
  }

  function polling(on) {
    if (on && !poll) poll = setInterval(refresh, pollEvery);
    if (!on && poll) {
      clearInterval(poll);
      poll = 0;
    }
  }

  let stream;
  function connect() {
    stream = new EventSource("/events?since=" + encodeURIComponent(root.dataset.since ?? ""));
    stream.addEventListener("open", () => {
      polling(false);
      state("");
    });
    stream.addEventListener("ready", () => (root.dataset.stream = "open"));
    stream.addEventListener("change", refresh);
    stream.addEventListener("over", over);
    stream.addEventListener("error", () => {
      delete root.dataset.stream;
      if (root.dataset.live !== "over") polling(true);
      if (stream.readyState === EventSource.CLOSED && root.dataset.live !== "over") setTimeout(connect, pollEvery);
    });
  }
  connect();
  document.addEventListener("margay:look", refresh); // an act of this page changed something
  for (const left of ["focusout", "close"]) document.addEventListener(left, () => held && setTimeout(refresh), true);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && pending) refresh();
  });
}
