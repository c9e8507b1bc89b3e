// Checks the workflows that are shipped and documented with tsc --strict against
// margay.d.ts, and that margay.d.ts says what the modules do. With --write it is
// made anew from them.

import fs from "node:fs";
import path from "node:path";
import ts from "typescript";

const root = path.resolve(import.meta.dirname, "../..");
const modules = { "margay": "internal/workflow/sdk/margay.ts", "margay/tableau": "internal/integration/tableau/bundle/tableau.ts" };
const declarations = "internal/integration/tableau/margay.d.ts";
const workflows = ["internal/integration/tableau/bundle/provision.ts", "internal/integration/tableau/bundle/deprovision.ts",
  ...fs.readdirSync(path.join(root, "docs/workflows")).filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts")).map((name) => "docs/workflows/" + name)];
const options = {
  strict: true, noEmit: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true, noImplicitReturns: true, noUnusedLocals: true,
  target: ts.ScriptTarget.ES2023, lib: ["lib.es2023.d.ts"], module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, types: [],
};

// compile checks files with what they import given as text.
function compile(files, extra, more = {}) {
  const all = { ...options, ...more };
  const host = ts.createCompilerHost(all);
  const { fileExists, readFile, getSourceFile } = host;
  const name = (file) => path.relative(root, file);
  host.fileExists = (file) => name(file) in extra || fileExists(file);
  host.readFile = (file) => extra[name(file)] ?? readFile(file);
  host.getSourceFile = (file, ...rest) => (name(file) in extra ? ts.createSourceFile(file, extra[name(file)], rest[0]) : getSourceFile(file, ...rest));
  const out = {};
  host.writeFile = (file, text) => { out[name(file)] = text; };
  const program = ts.createProgram(files.map((file) => path.join(root, file)), all, host);
  const problems = ts.getPreEmitDiagnostics(program);
  program.emit();
  if (problems.length > 0) {
    console.error(ts.formatDiagnostics(problems, { getCurrentDirectory: () => root, getNewLine: () => "\n", getCanonicalFileName: (f) => f }));
    process.exit(1);
  }
  return out;
}

const hostModule = `declare module "margay:host" {
  export function call(name: string, ...args: any[]): Promise<any>;
  export function log(level: string, text: string): void;
}
declare const console: { debug(...values: unknown[]): void; log(...values: unknown[]): void; info(...values: unknown[]): void; warn(...values: unknown[]): void; error(...values: unknown[]): void };
`;
const emitted = compile(["host.d.ts", ...Object.values(modules)], { "host.d.ts": hostModule }, {
  noEmit: false, declaration: true, emitDeclarationOnly: true, paths: Object.fromEntries(Object.entries(modules).map(([k, v]) => [k, [path.join(root, v)]])),
});
let text = `// What workflows may use. Made by tools/ts/check.mjs --write from the modules themselves: do not change it here.

declare const console: {
  debug(...values: unknown[]): void;
  log(...values: unknown[]): void;
  info(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
};
`;
for (const [module, file] of Object.entries(modules)) {
  const body = emitted[file.replace(/\.ts$/, ".d.ts")].replace(/^export declare /gm, "export ").replace(/^\s*\/\/.*\n/gm, "").trim();
  text += `\ndeclare module "${module}" {\n${body.replace(/^(?=.)/gm, "  ")}\n}\n`;
}
if (process.argv.includes("--write")) {
  fs.writeFileSync(path.join(root, declarations), text);
} else if (fs.readFileSync(path.join(root, declarations), "utf8") !== text) {
  console.error(`${declarations} is not what the modules say: run node tools/ts/check.mjs --write`);
  process.exit(1);
}
compile([declarations, ...workflows], {});
console.log(`${workflows.length} workflows pass`);
