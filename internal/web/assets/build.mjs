// Builds dist from src: the style by Tailwind's own command, the scripts by
// esbuild, and beside each file its gzip.
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { gzipSync, constants } from "node:zlib";

mkdirSync("dist", { recursive: true });
for (const name of readdirSync("dist")) if (name !== ".keep") rmSync(`dist/${name}`, { recursive: true });

execFileSync("node_modules/.bin/tailwindcss", ["--input", "src/app.css", "--output", "dist/app.css", "--minify"], { stdio: ["ignore", "ignore", "inherit"] });
await build({
  entryPoints: ["src/app.js", "src/editor.js"],
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2022"],
  legalComments: "none",
  logLevel: "warning",
});
for (const name of readdirSync("dist")) {
  if (name === ".keep") continue;
  const packed = gzipSync(readFileSync(`dist/${name}`), { level: constants.Z_BEST_COMPRESSION });
  writeFileSync(`dist/${name}.gz`, packed);
}
