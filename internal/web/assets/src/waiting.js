// What is read from another system may be slow. A link or a filter with data-slow,
// and a part that htmx fetches, says so: after 300 ms grey lines stand where the
// answer will, after three seconds words, after ten that nobody needs to stay.
const steps = [300, 3000, 10000];

export function waiting() {
  const main = document.getElementById("main");
  let stop = () => {};
  const leave = (event, slow) => {
    if (!slow || !main || event.defaultPrevented) return;
    stop();
    const head = main.querySelector(":scope > .page-head");
    const rest = [...main.children].filter((part) => part !== head);
    stop = wait((note) => (head ? head.after(note) : main.prepend(note)), rest, "The other system is slow. You can leave this page: nothing is changed.");
  };
  document.addEventListener("click", (event) => {
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    leave(event, event.target.closest("a[data-slow]"));
  });
  document.addEventListener("submit", (event) => leave(event, event.target.matches("form[data-slow]")));
  // Who stays after all, or comes back, sees the page as it was.
  document.addEventListener("keydown", (event) => event.key === "Escape" && stop());
  addEventListener("pageshow", () => stop());

  const parts = new Map(); // by their target
  const over = (event) => {
    const target = event.detail?.ctx?.target;
    const end = parts.get(target);
    parts.delete(target);
    // htmx frees the button that it held after this.
    if (end) queueMicrotask(end);
  };
  document.addEventListener("htmx:before:request", (event) => {
    const { target, sourceElement } = event.detail?.ctx ?? {};
    // Parts that ask by themselves, as one types, ask for what is quick.
    if (!target || !sourceElement?.matches("button, form")) return;
    parts.get(target)?.();
    parts.set(target, wait((note) => target.before(note), [target], sourceElement.matches("[data-stay]") ? "The other system is slow. What it says comes here: stay on this page." : "The other system is slow. You can leave this page."));
  });
  document.addEventListener("htmx:finally:request", over);
  document.addEventListener("htmx:error", over);
}

// wait shows in a place that something is under way, beside what is busy: nobody
// hears what is said within. What it returns ends that, with the focus where it
// was.
function wait(put, busy, atLast) {
  const focused = document.activeElement;
  const note = document.createElement("div");
  note.className = "waiting";
  note.setAttribute("role", "status");
  note.tabIndex = -1;
  note.append(document.createElement("p"));
  put(note); // there before it says something: else it may not be heard
  const [grey, words, free] = steps;
  const timers = [
    setTimeout(() => {
      note.dataset.shown = "";
      for (const part of busy) part.setAttribute("aria-busy", "true");
      if (!focused.checkVisibility()) note.focus();
    }, grey),
    setTimeout(() => (note.firstChild.textContent = "Reading from the other system…"), words),
    setTimeout(() => (note.firstChild.textContent = "Still working. " + atLast), free),
  ];
  let over = false;
  return () => {
    if (over) return;
    over = true;
    timers.forEach(clearTimeout);
    for (const part of busy) part.removeAttribute("aria-busy");
    const lost = [null, document.body, note].includes(document.activeElement);
    if (lost) again(focused, busy[0])?.focus({ preventScroll: true });
    note.remove();
  };
}

// again is what had the focus, or what stands in its place or its part's now.
function again(focused, part) {
  if (focused === document.body) return null;
  if (focused.isConnected) return focused;
  const same = focused.id && document.getElementById(focused.id);
  if (same) return same;
  const place = part?.isConnected ? part : part?.id && document.getElementById(part.id);
  if (place) place.tabIndex = -1;
  return place;
}
