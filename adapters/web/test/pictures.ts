// Pictures of the page, to be looked at: node build/test/pictures.js FOLDER

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Chromium } from "./chromium.js";
import { ROOT } from "./support.js";
import { SETTLED } from "./page.js";

const folder = process.argv[2]!;
mkdirSync(folder, { recursive: true });
const chromium = await Chromium.start();
try {
  for (const [width, height] of [[360, 740], [800, 1000], [1400, 900]] as const) {
    for (const scheme of ["light", "dark"] as const) {
      for (const example of [0, 2, 3]) {
        await chromium.look(width, height, scheme);
        await chromium.navigate(pathToFileURL(`${ROOT}adapters/web/dist/index.html`).href);
        await chromium.evaluate(SETTLED);
        await chromium.evaluate(`(async () => {
          const select = document.getElementById("example");
          select.value = "${example}";
          select.dispatchEvent(new Event("change"));
          await ${SETTLED};
          const tree = document.getElementById("members");
          for (const key of ["ArrowDown", "ArrowDown", "ArrowDown"]) tree.dispatchEvent(new KeyboardEvent("keydown", { key }));
          await new Promise(requestAnimationFrame);
        })()`);
        writeFileSync(join(folder, `${width}-${scheme}-${example}.png`), await chromium.picture());
      }
    }
  }
  console.log(chromium.complaints);
} finally {
  await chromium.end();
}
