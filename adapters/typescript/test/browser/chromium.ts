// Opens a page in headless Chromium that runs the package there, and checks what it reports: npm run test:browser

import { deepEqual, equal } from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { vectors } from "../support.js";
import type { Report } from "./page.js";

const BROWSER = "chromium-headless-shell";
const OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-proxy-server", "--remote-debugging-port=0"];
/** For a browser that hangs. */
const LIMIT = { timeout: 300_000 };

const DIST = fileURLToPath(new URL("../../", import.meta.url));
const KINDS: Record<string, string> = { ".js": "text/javascript", ".wasm": "application/wasm" };

const PAGE = `<!doctype html><script type="module">
const report = await import("/test/browser/page.js").then(({ report }) => report, String);
await fetch("/report", { method: "POST", body: JSON.stringify(report) });
</script>`;

const STREAM = `data: {"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"}}]}

data: {"id":"c1","choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}

data: [DONE]

`;
const ANSWER =
  '{"id":"c1","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}';

/** Serves the page, what it loads, and what it asks for. Gives its report to a callback. */
function serve(take: (report: unknown) => void): (request: IncomingMessage, response: ServerResponse) => void {
  const json = JSON.stringify(vectors, (_, value: unknown) => (value instanceof Uint8Array ? [...value] : value));
  const made: Record<string, [string, string]> = {
    "/": ["text/html", PAGE],
    "/vectors": ["application/json", json],
    "/stream": ["text/event-stream", STREAM],
  };
  return async (request, response) => {
    const path = new URL(request.url!, "http://localhost").pathname;
    const kind = KINDS[extname(path)];
    if (path === "/report") {
      take(JSON.parse(await text(request)));
      response.end();
    } else if (made[path] !== undefined) {
      response.setHeader("content-type", made[path][0]).end(made[path][1]);
    } else if (kind !== undefined) {
      response.setHeader("content-type", kind).end(readFileSync(join(DIST, path)));
    } else {
      response.writeHead(404).end();
    }
  };
}

test("a page converts, in itself and in workers", LIMIT, async () => {
  const profile = mkdtempSync(join(tmpdir(), "chatpb-browser-"));
  let take: (report: unknown) => void;
  const reported = new Promise((resolve) => (take = resolve));
  const server = createServer(serve((report) => take(report))).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  // Debian's program is a script, which starts the browser: both are ended as one group.
  const browser = spawn(BROWSER, [...OPTIONS, `--user-data-dir=${profile}`, url], { detached: true });
  const ended = once(browser, "close");
  const output = text(browser.stderr);
  try {
    const found = await Promise.race([reported, ended.then(async () => `${BROWSER} ended: ${await output}`)]);
    equal(typeof found, "object", String(found));
    const { wrong, ...others } = found as Report;
    deepEqual(wrong, [[], [], [], [], []]);
    deepEqual(others, {
      vectors: vectors.length,
      answer: ANSWER,
      error: "expected a value at line 1, column 8 (byte 7), in /id",
    });
  } finally {
    if (browser.pid !== undefined && browser.exitCode === null) {
      process.kill(-browser.pid, "SIGKILL");
    }
    await ended.catch(() => {});
    server.close();
    rmSync(profile, { recursive: true, force: true });
  }
});
