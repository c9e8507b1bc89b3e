// The editor of workflows: CodeMirror on a textarea, so that the page works
// without it. A textarea with data-editor becomes one; what is typed goes back
// into the textarea at once.
import { basicSetup } from "codemirror";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { indentWithTab } from "@codemirror/commands";
import { javascript } from "@codemirror/lang-javascript";
import { lintGutter, setDiagnostics } from "@codemirror/lint";

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
  const nonce = document.querySelector("meta[name=style-nonce]")?.content;
  const extensions = [
    basicSetup,
    javascript({ typescript: true }),
    lintGutter(),
    EditorView.contentAttributes.of({ "aria-label": area.getAttribute("aria-label") ?? area.labels?.[0]?.textContent ?? "Code" }),
    EditorState.readOnly.of(area.readOnly),
    EditorView.updateListener.of((update) => {
      if (!update.docChanged) return;
      area.value = update.state.doc.toString();
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }),
    // Tab leaves the editor unless Escape was not pressed first, as CodeMirror says.
    keymap.of([indentWithTab]),
  ];
  if (nonce) extensions.push(EditorView.cspNonce.of(nonce));
  const view = new EditorView({ doc: area.value, extensions });
  area.hidden = true;
  area.after(view.dom);
  const found = problems(area).map((p) => {
    const from = place(view.state.doc, p.line, p.column);
    return { from, to: Math.min(from + 1, view.state.doc.length), severity: p.severity ?? "error", message: p.message };
  });
  view.dispatch(setDiagnostics(view.state, found));
  return view;
}

for (const area of document.querySelectorAll("textarea[data-editor]")) edit(area);
