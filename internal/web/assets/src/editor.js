// The editor of workflows: CodeMirror on a textarea, so that the page works
// without it. A textarea with data-editor becomes one; what is typed goes back
// into the textarea at once.
import { basicSetup } from "codemirror";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { tags } from "@lezer/highlight";
import { indentWithTab } from "@codemirror/commands";
import { javascript } from "@codemirror/lang-javascript";
import { lintGutter, setDiagnostics } from "@codemirror/lint";

// Colours of the theme, so that light and dark need no second list.
const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "var(--primary)", fontWeight: "600" },
  { tag: [tags.string, tags.regexp, tags.special(tags.string)], color: "var(--good)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--wait)" },
  { tag: [tags.comment], color: "var(--muted-foreground)", fontStyle: "italic" },
  { tag: [tags.typeName, tags.className], color: "var(--warn)" },
  { tag: [tags.invalid], color: "var(--bad)" },
]);

// place turns a line and column, from 1, into an offset.
function place(doc, line, column) {
  const at = doc.line(Math.min(Math.max(line, 1), doc.lines));
  return Math.min(at.from + Math.max(column - 1, 0), at.to);
}

function problems(area) {
  try {
    return JSON.parse(area.dataset.problems || "[]");
  } catch {
    return [];
  }
}

export function edit(area) {
  const extensions = [
    basicSetup,
    javascript({ typescript: true }),
    lintGutter(),
    EditorView.contentAttributes.of({ tabindex: "0", "aria-label": area.getAttribute("aria-label") ?? area.labels?.[0]?.textContent ?? "Code" }),
    EditorState.readOnly.of(area.readOnly),
    EditorView.updateListener.of((update) => {
      if (!update.docChanged) return;
      area.value = update.state.doc.toString();
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }),
    // Tab indents; after Escape it leaves the editor, as CodeMirror has it.
    keymap.of([indentWithTab]),
    EditorView.theme({
      "&": { minHeight: "16rem", maxHeight: "70vh", border: "1px solid var(--input)", borderRadius: "6px", background: "var(--card)", color: "var(--foreground)" },
      "&.cm-focused": { outline: "2px solid var(--ring)", outlineOffset: "2px" },
      ".cm-scroller": { fontFamily: "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace", fontSize: "13px" },
      ".cm-gutters": { background: "var(--muted)", color: "var(--muted-foreground)", border: "0" },
      ".cm-activeLine, .cm-activeLineGutter": { background: "var(--accent)" },
      ".cm-cursor": { borderLeftColor: "var(--foreground)" },
      "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { background: "color-mix(in oklch, var(--primary) 30%, transparent)" },
      ".cm-tooltip, .cm-panels": { background: "var(--card)", color: "var(--foreground)", borderColor: "var(--border)" },
    }),
    syntaxHighlighting(colours),
  ];
  // In a shadow root CodeMirror's style is a constructed sheet, which the page's
  // policy allows; in the page it would be an inline one.
  const host = document.createElement("div");
  host.className = "cm-editor";
  const root = host.attachShadow({ mode: "open" });
  const view = new EditorView({ doc: area.value, extensions, root, parent: root });
  area.hidden = true;
  area.after(host);
  show(view, problems(area));
  follow(view);
  const line = Number(area.dataset.line);
  if (line > 0) go(view, line);
  return view;
}

// show marks problems at their places.
function show(view, list) {
  const doc = view.state.doc;
  const found = list.map((p) => {
    const from = Math.min(place(doc, p.line, p.column), Math.max(doc.length - 1, 0));
    return { from, to: Math.min(from + Math.max(p.length ?? 1, 1), doc.length), severity: p.severity ?? "error", message: p.message };
  });
  view.dispatch(setDiagnostics(view.state, found));
}

function go(view, line, column = 1) {
  const at = place(view.state.doc, line, column);
  view.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: "center" }) });
  view.focus();
}

// follow takes over what the server says of the text as it is typed, and lets the
// list of problems lead to their lines.
function follow(view) {
  const list = document.getElementById("problems");
  if (!list) return;
  new MutationObserver(() => {
    const said = list.querySelector("[data-marks]");
    if (!said) return;
    try {
      show(view, JSON.parse(said.dataset.marks));
    } catch {
      // a part of a page that is not ours: what is marked stays
    }
  }).observe(list, { childList: true });
  list.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-line]");
    if (!link) return;
    event.preventDefault();
    go(view, Number(link.dataset.line), Number(link.dataset.column) || 1);
  });
}

for (const area of document.querySelectorAll("textarea[data-editor]")) edit(area);
