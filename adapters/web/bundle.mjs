// Bundles the page and the worker into one HTML file, and the tests into build/test. build.py runs it.
//
// The Content-Security-Policy allows the scripts and the style that are in the file, by their hashes, and no connection.

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

const [target, home] = process.argv.slice(2);
const here = import.meta.dirname;

/** The package fetches its module. Here it is in the script. */
const inlined = {
  name: "inlined-module",
  setup(bundler) {
    bundler.onResolve({ filter: /^\.\/module\.js$/ }, () => ({ path: join(here, "src/module.ts") }));
  },
};
const common = {
  absWorkingDir: here,
  bundle: true,
  charset: "utf8",
  loader: { ".wasm": "binary" },
  logLevel: "warning",
  plugins: [inlined],
  target: "es2022",
};

async function script(entry) {
  const made = await build({ ...common, entryPoints: [entry], format: "iife", minify: true, write: false });
  const text = made.outputFiles[0].text;
  if (/<\/script|<!--/i.test(text)) {
    throw new Error(`${entry} has text that would end its element`);
  }
  return text;
}

const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

const escape = (text) => text.replace(/[&<>]/g, (each) => `&#${each.charCodeAt(0)};`);

const [page, worker, style, html, licenses] = await Promise.all([
  script("src/page.ts"),
  script("src/worker.ts"),
  readFile(join(here, "src/style.css"), "utf8"),
  readFile(join(here, "src/index.html"), "utf8"),
  readFile(join(here, "../THIRD-PARTY-LICENSES.txt"), "utf8"),
]);
const policy = [
  "default-src 'none'",
  "base-uri 'none'",
  "connect-src 'none'",
  "form-action 'none'",
  "img-src data:",
  `script-src ${hash(page)} 'wasm-unsafe-eval'`,
  `style-src ${hash(style)}`,
  "worker-src blob:",
].join("; ");
const parts = { licenses: escape(licenses), policy, style, worker, page, home: home ? `<p><a href="${home}">Documentation</a></p>` : "" };
await mkdir(target, { recursive: true });
await writeFile(join(target, "index.html"), html.replace(/\{\{(\w+)\}\}/g, (_, name) => parts[name]));

const tests = (await readdir(join(here, "test"))).filter((name) => /\.ts$/.test(name)).map((name) => `test/${name}`);
await build({
  ...common,
  entryPoints: tests,
  external: ["axe-core"],
  format: "esm",
  outdir: "build/test",
  platform: "node",
  sourcemap: "inline",
});
