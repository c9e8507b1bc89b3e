// Copy buttons, dialogs, secrets that are shown, marked rows.
export function copying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    const text = source ? (source.value ?? source.textContent) : button.dataset.copyText;
    let done = "Copied";
    try {
      await navigator.clipboard.writeText(text.trim());
    } catch {
      done = "Select and copy it by hand";
    }
    const word = button.querySelector("[data-word]") ?? button;
    const before = word.dataset.before ?? word.textContent;
    word.dataset.before = before;
    word.textContent = done;
    setTimeout(() => (word.textContent = before), 2000);
  });
}

// A link to the page that asks opens the dialog instead, when there is one.
export function dialogs() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      const dialog = document.getElementById(opener.dataset.dialog);
      if (dialog) {
        event.preventDefault();
        dialog.showModal();
      }
    }
    const closer = event.target.closest("[data-close]");
    if (closer) closer.closest("dialog")?.close();
    const show = event.target.closest("[data-reveal]");
    if (show) {
      const part = document.getElementById(show.dataset.reveal);
      const open = part.toggleAttribute("data-open");
      part.classList.add("revealed");
      show.setAttribute("aria-expanded", String(open));
      const field = part.querySelector("input, select, textarea");
      if (!open && field) field.value = "";
      else field?.focus();
    }
  });
  // The button of a severe act is free once the name was typed.
  document.addEventListener("input", (event) => {
    const field = event.target.closest("input[data-typed]");
    if (!field) return;
    const button = field.form.querySelector("button[type=submit]");
    const free = field.value.trim() === field.dataset.typed;
    button.setAttribute("aria-disabled", String(!free));
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[aria-disabled=true]")) event.preventDefault();
  });
}

// What was typed into a secret field is shown while its button is pressed in. It
// is hidden again before it is sent: browsers offer to keep what was a password.
export function showing() {
  const hide = (button, shown) => {
    const field = document.getElementById(button.dataset.show);
    if (field) field.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-show]");
    if (button) hide(button, button.getAttribute("aria-pressed") !== "true");
  });
  document.addEventListener(
    "submit",
    (event) => {
      for (const button of event.target.querySelectorAll("[data-show]")) hide(button, false);
    },
    true,
  );
}

// One box marks all rows on the page, and says how many are marked.
export function marking() {
  const all = document.querySelector("[data-mark-page]");
  if (!all) return;
  const box = all.querySelector("input");
  const rows = () => [...document.querySelectorAll(`input[type=checkbox][form="${CSS.escape(all.dataset.markPage)}"]`)];
  const tell = () => {
    const marked = rows().filter((row) => row.checked).length;
    all.hidden = rows().length === 0;
    all.querySelector("[data-marked]").textContent = marked ? `${marked} marked` : "";
    box.checked = marked > 0 && marked === rows().length;
    box.indeterminate = marked > 0 && !box.checked;
  };
  document.addEventListener("change", (event) => {
    if (event.target === box) for (const row of rows()) row.checked = box.checked;
    if (event.target === box || event.target.getAttribute?.("form") === all.dataset.markPage) tell();
  });
  document.addEventListener("margay:changed", tell);
  window.addEventListener("pageshow", tell); // a browser that goes back has kept the marks
  tell();
}
