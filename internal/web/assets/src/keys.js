// Keys for those who like them; they can be switched off in the profile (WCAG
// 2.1.4). g and a letter goes to a place of the menu, / to the search, j and k
// move in a list, ? shows the list.
export function keys() {
  if (document.documentElement.dataset.keys === "off") return;
  let going = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest("input, select, textarea, [contenteditable], dialog[open], .cm-editor")) return;
    const now = Date.now();
    if (now - going < 1500) {
      going = 0;
      const link = document.querySelector(`a[data-key="${CSS.escape(event.key)}"]`);
      if (link) {
        event.preventDefault();
        location.assign(link.href);
      }
      return;
    }
    switch (event.key) {
      case "g":
        going = now;
        return;
      case "/": {
        const search = document.querySelector("[data-search]") ?? document.querySelector("[data-search-all]");
        if (search) {
          event.preventDefault();
          search.focus();
          search.select();
        }
        return;
      }
      case "?":
        document.getElementById("key-list")?.showModal();
        return;
      case "j":
      case "k": {
        const rows = [...document.querySelectorAll(".row-link")];
        if (rows.length === 0) return;
        const at = rows.indexOf(document.activeElement);
        const next = event.key === "j" ? Math.min(at + 1, rows.length - 1) : Math.max(at - 1, 0);
        rows[next].focus();
        return;
      }
    }
    const act = document.querySelector(`[data-act-key="${CSS.escape(event.key)}"]`);
    if (act) {
      event.preventDefault();
      act.click();
    }
  });
}
