// The code of docs/languages/typescript.md runs, and prints what its comments say.

import { deepEqual, ok } from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { inspect } from "node:util";
import { ROOT } from "./support.js";

const page = readFileSync(`${ROOT}docs/languages/typescript.md`, "utf8");
const programs = [...page.matchAll(/^```typescript\n(.*?)^```/gms)].map(([, program]) => program!);
ok(programs.length > 0);

/** Stands for the generated classes. */
const GENERATED = `import { schemaOf } from "../test/support.js";
export const ChatCompletionSchema = schemaOf("chatcompletion.v1.ChatCompletion");
`;

const folder = new URL("../docs/", import.meta.url);
mkdirSync(folder, { recursive: true });
writeFileSync(new URL("generated.js", folder), GENERATED);

for (const [number, program] of programs.entries()) {
  test(`program ${number + 1}`, async (context) => {
    const expected = [...program.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text]) => text);
    ok(expected.length > 0);
    const printed: string[] = [];
    context.mock.method(console, "log", (...values: unknown[]) => {
      printed.push(values.map((value) => (typeof value === "string" ? value : inspect(value))).join(" "));
    });
    const file = new URL(`${number + 1}.js`, folder);
    writeFileSync(file, program.replace(/"\.\/gen\/[^"]*"/, '"./generated.js"'));
    await import(file.href);
    deepEqual(printed, expected);
  });
}
