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
    stop = wait(main, "The other system is slow. You can leave this page: nothing is changed.");
    main.dataset.waiting = "";
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
    parts.get(target)?.();
    parts.delete(target);
  };
  document.addEventListener("htmx:before:request", (event) => {
    const { target, sourceElement } = event.detail?.ctx ?? {};
    // Parts that ask by themselves, as one types, ask for what is quick.
    if (!target || !sourceElement?.matches("button, form")) return;
    parts.get(target)?.();
    parts.set(target, wait(target, "The other system is slow. You can leave this page."));
  });
  document.addEventListener("htmx:finally:request", over);
  document.addEventListener("htmx:error", over);
}

// wait shows in place that something is under way; what it returns ends that.
function wait(place, atLast) {
  const note = document.createElement("div");
  note.className = "waiting";
  note.setAttribute("role", "status");
  note.append(document.createElement("p"));
  const [grey, words, free] = steps;
  const timers = [
    setTimeout(() => {
      place.prepend(note);
      place.setAttribute("aria-busy", "true");
    }, grey),
    setTimeout(() => (note.firstChild.textContent = "Reading from the other system…"), words),
    setTimeout(() => (note.firstChild.textContent = "Still working. " + atLast), free),
  ];
  return () => {
    timers.forEach(clearTimeout);
    note.remove();
    place.removeAttribute("aria-busy");
    delete place.dataset.waiting;
  };
}
