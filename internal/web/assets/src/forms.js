// A form is sent once: its button says so, and a second press does nothing. The
// server honours the form's key besides, for hands without script.
export function forms() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method === "dialog" || form.hasAttribute("hx-post") || form.hasAttribute("hx-get")) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    if (event.defaultPrevented || form.method === "get") return;
    form.dataset.sent = "true";
    const button = event.submitter;
    if (button) {
      button.setAttribute("aria-busy", "true");
      patience(form, button);
    }
  });
  // A page that the browser kept comes back with its buttons free.
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
    for (const button of document.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
    for (const note of document.querySelectorAll("[data-patience]")) note.remove();
  });
  // Selects and choices of a filter bar apply at once.
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-auto]");
    if (form && event.target.matches("select, input[type=checkbox], input[type=radio]")) form.requestSubmit();
  });
  // What was told of a form as it stood is gone when the form is changed.
  document.addEventListener("input", (event) => {
    for (const told of event.target.form?.querySelectorAll("[data-of-form]") ?? []) if (!told.contains(event.target)) told.replaceChildren();
  });
  document.addEventListener("keyup", (event) => {
    const field = event.target.closest?.("input[data-caps]");
    if (!field || !event.getModifierState) return;
    const note = document.getElementById(field.dataset.caps);
    if (note) note.hidden = !event.getModifierState("CapsLock");
  });
  const summary = document.querySelector(".error-summary");
  if (summary) summary.focus();
}

// An act that takes long says so: after three seconds that it is under way, after
// ten that nobody needs to stay for it. The server carries on when the browser
// leaves, for forms with a key; what only looks must be waited for.
function patience(form, button) {
  const note = document.createElement("p");
  note.className = "muted";
  note.dataset.patience = "";
  note.setAttribute("role", "status");
  (button.closest(".row, .acts") ?? button).after(note);
  setTimeout(() => (note.textContent = "Still working…"), 3000);
  if (form.querySelector("[name=form_key]")) setTimeout(() => (note.textContent = "Still working. You can leave this page: it goes on."), 10000);
}
