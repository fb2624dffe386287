// The site of the documentation in headless Chromium: accessibility, widths, and that a page loads nothing from elsewhere.
// `mkdocs build --strict` makes it first.
//     node --test build/test/site.js
//     node build/test/site.js FOLDER [PAGE...]    pictures at three widths, light and dark

import { deepEqual, ok } from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";
import { Chromium } from "./chromium.js";
import { ROOT } from "./support.js";

const SITE = join(ROOT, "site");
const AXE = readFileSync(createRequire(`${ROOT}adapters/web/package.json`).resolve("axe-core/axe.min.js"), "utf8");
/** Tests of the page itself are in browser.ts; the pages below `source/` show files. */
const PAGES = readdirSync(SITE, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".html") && !/^(?:playground|source)\//.test(path))
  .sort();
const LOOKS = [
  [360, "light"],
  [800, "dark"],
  [1400, "light"],
  [1400, "dark"],
] as const;
/** Pages of each kind: prose, tables, code of many languages, the reference of Python, that of the contract, vectors. */
const SAMPLES = ["index.html", "providers.html", "languages.html", "reference/streams.html", "reference/contract/tool.html", "mapping.html"];
/** For a browser that hangs. */
const LIMIT = { timeout: 300_000 };

const KINDS: Record<string, string> = { ".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml" };

/** A server of the site, and the browser. */
class Visit {
  private constructor(
    readonly chromium: Chromium,
    private readonly server: Server,
  ) {}

  static async start(): Promise<Visit> {
    const server = createServer(({ url }, response) => {
      const path = new URL(url!, "http://localhost").pathname;
      try {
        const body = readFileSync(join(SITE, path));
        response.setHeader("content-type", KINDS[extname(path)] ?? "application/octet-stream").end(body);
      } catch {
        response.writeHead(404).end();
      }
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Visit(await Chromium.start(), server);
  }

  get address(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
  }

  async look(page: string, [width, scheme]: (typeof LOOKS)[number]): Promise<void> {
    await this.chromium.look(width, 900, scheme);
    await this.chromium.navigate(this.address + page);
    // An observer tells of the places that scroll after the first layout.
    await this.chromium.evaluate(`new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))`);
  }

  async end(): Promise<void> {
    await this.chromium.end();
    this.server.closeAllConnections();
    this.server.close();
  }
}

async function violations(chromium: Chromium): Promise<string[]> {
  await chromium.evaluate(AXE);
  const found = await chromium.evaluate<{ id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[]>(
    `axe.run({ resultTypes: ["violations"] }).then(({ violations }) => violations)`,
  );
  return found
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id} (${nodes.length}): ${nodes[0]!.html} ${nodes[0]!.failureSummary}`);
}

async function pictures(folder: string, pages: string[]): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const visit = await Visit.start();
  try {
    for (const page of pages) {
      for (const look of LOOKS) {
        await visit.look(page, look);
        writeFileSync(join(folder, `${page.replace(/\W+/g, "-")}-${look.join("-")}.png`), await visit.chromium.picture());
      }
    }
  } finally {
    await visit.end();
  }
}

function tests(): void {
  let visit: Visit;
  before(async () => {
    visit = await Visit.start();
  }, LIMIT);
  after(() => visit.end());

  for (const page of SAMPLES) {
    for (const look of page === SAMPLES[0] ? LOOKS : [LOOKS[0], LOOKS[3]]) {
      test(`${page}, ${look.join(" ")}`, LIMIT, async () => {
        await visit.look(page, look);
        deepEqual(await violations(visit.chromium), []);
      });
    }
  }

  for (const page of PAGES) {
    test(`${page} does not scroll sideways on a phone`, LIMIT, async () => {
      await visit.look(page, LOOKS[0]);
      ok(await visit.chromium.evaluate(`document.documentElement.scrollWidth <= innerWidth`));
    });
  }

  test("the pages load nothing from elsewhere, and complain of nothing", () => {
    const foreign = visit.chromium.requests.filter((url) => !/^(?:about:blank$|data:|blob:)/.test(url) && !url.startsWith(visit.address));
    deepEqual([...new Set(foreign)], []);
    deepEqual([...new Set(visit.chromium.complaints)], []);
  });
}

const [folder, ...pages] = process.argv.slice(2);
if (folder === undefined) {
  tests();
} else {
  await pictures(folder, pages.length > 0 ? pages : SAMPLES);
}
