// The page in headless Chromium: what it shows of documents, keys, links, and inputs that mean harm.

import { deepEqual, equal, match, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { Chromium } from "./chromium.js";
import { SETTLED } from "./page.js";
import { ROOT } from "./support.js";

/** For a browser that hangs. */
const LIMIT = { timeout: 120_000 };
const PAGE = pathToFileURL(`${ROOT}adapters/web/dist/index.html`).href;
const AXE = readFileSync(createRequire(`${ROOT}adapters/web/package.json`).resolve("axe-core/axe.min.js"), "utf8");

let chromium: Chromium;
before(async () => {
  chromium = await Chromium.start();
  await chromium.look(1400, 900, "light");
}, LIMIT);
after(() => chromium.end());

/** Load the page. */
async function visit(fragment = ""): Promise<void> {
  await chromium.navigate(PAGE + fragment);
  await settled();
}

/** Choose an example, on the page that is there. */
async function choose(example = 0): Promise<void> {
  if (!(await chromium.evaluate<string>("location.href")).startsWith(PAGE)) {
    await visit();
  }
  await chromium.evaluate(`(() => {
    const select = document.getElementById("example");
    select.value = "${example}";
    select.dispatchEvent(new Event("change"));
  })()`);
  await settled();
}

const settled = (): Promise<void> => chromium.evaluate(SETTLED);
const textOf = (id: string): Promise<string> => chromium.evaluate(`document.getElementById("${id}").innerText`);
const valueOf = (id: string): Promise<string> => chromium.evaluate(`document.getElementById("${id}").value`);
const focus = (id: string): Promise<void> => chromium.evaluate(`document.getElementById("${id}").focus()`);

async function type(id: string, text: string): Promise<void> {
  await chromium.evaluate(`(() => {
    const field = document.getElementById("${id}");
    field.value = ${JSON.stringify(text)};
    field.dispatchEvent(new Event("input"));
  })()`);
  await settled();
}

/** Drop a file on the page. */
async function drop(name: string, bytes: Uint8Array | string): Promise<void> {
  const content = typeof bytes === "string" ? JSON.stringify(bytes) : `Uint8Array.of(${bytes.join()})`;
  await chromium.evaluate(`(() => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([${content}], ${JSON.stringify(name)}));
    dispatchEvent(new DragEvent("drop", { dataTransfer }));
  })()`);
  await settled();
}

/** Select a member by its JSON Pointer, through the tree. */
async function selectMember(pointer: string): Promise<void> {
  await focus("members");
  await chromium.key("Home");
  for (let step = 0; (await textOf("detail-path")) !== pointer; step++) {
    ok(step < 200, `no member ${pointer}`);
    await chromium.key("ArrowDown");
  }
}

const lit = (): Promise<string> => chromium.evaluate(`Array.from(document.querySelectorAll("#hex .lit"), (each) => each.innerText).join(" ")`);
/** The rows of the tree: name, value, home and bytes. */
const labels = (): Promise<string[]> =>
  chromium.evaluate(`Array.from(document.querySelectorAll("#members [role=treeitem]"), (row) =>
    ["name", "value", "home", "size"].map((each) => row.querySelector("." + each).firstChild.textContent.trim()).join(" | "))`);
const fault = (): Promise<string> => chromium.evaluate(`document.getElementById("fault").hidden ? "" : document.getElementById("fault-text").innerText`);

test("an example is there at the start, from a disk, and nothing is asked for", LIMIT, async () => {
  await visit();
  match(await textOf("summary"), /494 bytes JSON\s+283 bytes on the wire\s+57 % of the JSON\s+1 violation/);
  ok((await labels()).some((label) => label === "refusal | null | null bit | "));
  const foreign = chromium.requests.filter((url) => !/^(?:about:blank|data:|blob:|file:.*\/dist\/index\.html$)/.test(url));
  deepEqual(foreign, []);
});

test("the policy allows no connection, no script and no style of others", LIMIT, async () => {
  await visit();
  const policy = await chromium.evaluate<string>(`document.querySelector("meta[http-equiv]").content`);
  match(policy, /default-src 'none'.*connect-src 'none'/);
  ok(!policy.includes("unsafe-inline"));
  const refused = await chromium.evaluate(`(async () => {
    const seen = [];
    addEventListener("securitypolicyviolation", ({ effectiveDirective }) => seen.push(effectiveDirective));
    await fetch("data:,x").catch(() => {});
    await new Promise((resolve) => {
      const image = new Image();
      image.onerror = resolve;
      image.src = "https://localhost:1/x.png";
    });
    const script = document.createElement("script");
    script.textContent = "document.title = 'wrong'";
    document.body.append(script);
    document.body.setAttribute("style", "color: red");
    await new Promise((resolve) => setTimeout(resolve));
    return [document.title, ...seen.sort()];
  })()`);
  deepEqual(refused, ["chatpb playground", "connect-src", "img-src", "script-src-elem", "style-src-attr"]);
  // The browser reports each of them on the console too.
  chromium.complaints.length = 0;
});

/** By text: the fault, or how some rows begin. */
const DOCUMENTS: [name: string, text: string, expected: string | string[]][] = [
  ["a typed field", '{"id":"a"}', ['id | "a" | 1 string | 3']],
  ["a null", '{"object":"chat.completion","usage":null}', ["usage | null | null bit | ", "null_fields | usage | bits | 2"]],
  ["an empty array", '{"object":"chat.completion","choices":[]}', ["choices | [ 0 items ] | empty bit | ", "empty_fields | choices | bits | 2"]],
  ["open members and their order", '{"object":"chat.completion","z":1,"a":[true]}', ["z | 1 | Struct | ", "0 | true | in Struct | 4", "member_order | "]],
  ["a value that no field takes", '{"object":"chat.completion","created":"now"}', ['created | "now" | Struct | ']],
  ["a large integer", '{"object":"chat.completion","n":18446744073709551615}', ["n | 18446744073709551615 | JSON text | "]],
  ["a document of another type", '{"error":{"message":"no"}}', ["error | { 1 member } | 1 message | 6"]],
  ["text that is no JSON", '{"id": tru}', "expected a value: line 1, column 8 (byte 7), in /id"],
  ["a name twice", '{"id":"a",\n"id":"b"}', "a second member of this name; JSON objects here have each name once: line 2, column 1 (byte 11), in /id"],
  ["no object", "[1]", "a document is a JSON object; this is something else: line 1, column 1 (byte 0)"],
  ["nothing", "", "unexpected end of the text: line 1, column 1 (byte 0)"],
  ["200 levels", `{"x":${"[".repeat(199)}${"]".repeat(199)}}`, ["x | [ 1 item ]"]],
  ["201 levels", `{"x":${"[".repeat(200)}${"]".repeat(200)}}`, "200 levels"],
  ["HTML in names and values", '{"<img src=x onerror=alert(1)>":"</script><script>alert(2)</script>"}', ['<img src=x onerror=alert(1)> | "</script><script>alert(2)</script>"']],
  ["marks that turn text around", '{"x":"a\u202eb\u2066c\u0085\u200d\ufeff"}', ['x | "a\\u202eb\\u2066c\\u0085\\u200d\\ufeff"']],
  ["half a surrogate", '{"x":"\\ud800"}', ['x | "\\ud800" | JSON text']],
  ["names that JavaScript knows", '{"__proto__":{"constructor":1},"toString":null}', ["__proto__ | { 1 member } | Struct", "constructor | 1 | in Struct", "toString | null | Struct"]],
];
for (const [name, text, expected] of DOCUMENTS) {
  test(`shown: ${name}`, LIMIT, async () => {
    await choose();
    await type("source", text);
    if (typeof expected === "string") {
      ok((await fault()).includes(expected), await fault());
      deepEqual(await labels(), []);
      match(await textOf("count"), /not readable/);
      return;
    }
    equal(await fault(), "");
    const found = await labels();
    for (const each of expected) {
      ok(found.some((label) => label.startsWith(each)), `${each} is not among\n${found.join("\n")}`);
    }
    equal(await chromium.evaluate(`document.querySelectorAll("main img, main script").length`), 0);
  });
}

/** By pointer: what the details say of the home. */
const DETAILS: [text: string, pointer: string, home: string][] = [
  ['{"id":"a"}', "/id", "Field id = 1 of ChatCompletion: string."],
  ['{"object":"chat.completion","choices":[{"index":0}]}', "/choices/0", "An item of the repeated field choices = 5: ChatCompletionChoice."],
  ['{"object":"chat.completion","created":"now"}', "/created", "An entry of additional_properties, a Struct: ChatCompletion has a field for this member, but not for this value."],
  ['{"object":"chat.completion","choices":[{"index":"0"}]}', "/choices/0/index", "An entry of additional_properties, a Struct: ChatCompletionChoice has a field for this member, but not for this value."],
  ['{"object":"chat.completion","x":1}', "/x", "An entry of additional_properties, a Struct: the contract has no field for this member."],
];
for (const [text, pointer, home] of DETAILS) {
  test(`the home of ${pointer} in ${text}`, LIMIT, async () => {
    await choose();
    await type("source", text);
    await selectMember(pointer);
    equal(await textOf("detail-home"), home);
  });
}

test("characters that cannot be seen are counted", LIMIT, async () => {
  await choose();
  await type("source", '{"x":"\u202e\u200b"}');
  match(await textOf("source-note"), /2 characters of the text cannot be seen/);
});

test("keys move in the tree, open and close it, and light up bytes", LIMIT, async () => {
  await choose();
  await focus("members");
  await chromium.key("ArrowDown");
  equal(await textOf("detail-path"), "/id");
  match(await lit(), /^0a 1d 63/);
  const rows = (): Promise<number> => chromium.evaluate(`Number(document.getElementById("members").firstElementChild.clientHeight)`);
  const all = await rows();
  await chromium.key("u");
  equal(await textOf("detail-path"), "/usage");
  await chromium.key("ArrowLeft");
  ok((await rows()) < all);
  equal(await chromium.evaluate(`document.getElementById(document.getElementById("members").getAttribute("aria-activedescendant")).ariaExpanded`), "false");
  await chromium.key("ArrowRight");
  await chromium.key("ArrowRight");
  equal(await textOf("detail-path"), "/usage/prompt_tokens");
  await chromium.key("ArrowLeft");
  equal(await textOf("detail-path"), "/usage");
  await chromium.key("End");
  match(await textOf("detail-path"), /member_order/);
  await chromium.key("Home");
  equal(await textOf("detail-path"), "document");
});

test("keys in the bytes select the member that has them", LIMIT, async () => {
  await choose();
  await focus("hex");
  await chromium.key("ArrowRight");
  equal(await textOf("detail-path"), "/id");
  await chromium.key("ArrowDown");
  await chromium.key("ArrowDown");
  equal(await textOf("detail-path"), "/created");
  equal(await chromium.evaluate(`document.getElementById("hex").getAttribute("aria-activedescendant")`), "byte-33");
});

test("a value is edited, and the bytes change", LIMIT, async () => {
  await choose();
  await selectMember("/usage/prompt_tokens");
  equal(await lit(), "08 0e");
  await chromium.key("Enter");
  await chromium.evaluate(`document.getElementById("value").value = "300"`);
  await chromium.key("Enter");
  await settled();
  equal(await textOf("detail-path"), "/usage/prompt_tokens");
  equal(await lit(), "08 ac 02");
  ok((await valueOf("source")).includes('"prompt_tokens": 300'));
  equal(await textOf("live"), "completion, 283 to 284 wire bytes, 1 violation");
  for (const wrong of ["", "1, 2", '1, "x": 2', "tru"]) {
    await chromium.evaluate(`document.getElementById("value").value = ${JSON.stringify(wrong)}`);
    await chromium.evaluate(`document.getElementById("apply").click()`);
    match(await textOf("edit-note"), /^Not one JSON value/);
  }
});

test("members are removed: the first, the last, and the only one", LIMIT, async () => {
  await choose();
  await type("source", '{"a": {"b": 1}, "c": [2, 3], "d": 4}');
  for (const [pointer, left] of [["/d", '{"a": {"b": 1}, "c": [2, 3]}'], ["/c/0", '{"a": {"b": 1}, "c": [3]}'], ["/a/b", '{"a": {}, "c": [3]}'], ["/a", '{"c": [3]}']]) {
    await selectMember(pointer!);
    await chromium.evaluate(`document.getElementById("remove").click()`);
    await settled();
    equal(await valueOf("source"), left);
  }
});

test("violations lead to their members", LIMIT, async () => {
  await choose();
  await type("source", '{"id":"a","object":"chat.completion","created":"x","model":"m","choices":[{"index":0,"message":{"role":"robot"},"finish_reason":"stop"}]}');
  const found = await chromium.evaluate<string[]>(`Array.from(document.querySelectorAll(".violation"), (each) => each.innerText)`);
  ok(found.some((each) => each.startsWith("/created") && each.includes("type, refused by strict")), found.join("\n"));
  await chromium.evaluate(`Array.from(document.querySelectorAll(".violation")).find((each) => each.innerText.includes("role")).click()`);
  equal(await textOf("detail-path"), "/choices/0/message/role");
});

test("a stream is put together, and one chunk is edited", LIMIT, async () => {
  await choose();
  const chunk = (content: string): string => `data: {"id":"a","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"${content}"}}]}\n\n`;
  await drop("answer.sse", `${chunk("Hel")}${chunk("lo")}data: [DONE]\n\n`);
  equal(await textOf("documents-title"), "3 documents, an event stream");
  // A row shows what its chunk has otherwise than the one before it.
  ok((await textOf("documents")).includes('… "delta":{"content":"lo"}}]}'), await textOf("documents"));
  match(await valueOf("source"), /"content":"Hello"/);
  ok(await chromium.evaluate(`document.getElementById("source").readOnly`));
  await focus("documents");
  await chromium.key("End");
  await settled();
  await type("source", (await valueOf("source")).replace('"lo"', '"p"'));
  await focus("documents");
  await chromium.key("Home");
  await settled();
  match(await valueOf("source"), /"content":"Help"/);
});

test("wire bytes are read from a file, broken ones too", LIMIT, async () => {
  await choose();
  await drop("a.binpb", Uint8Array.of(10, 1, 97, 0xb0, 6, 7));
  equal(await valueOf("source"), '{"model":"a"}');
  ok((await labels()).includes("field 102 |  | unknown | 3"));
  ok(await chromium.evaluate(`document.getElementById("source").readOnly`));
  await drop("b.binpb", Uint8Array.of(10, 1, 97, 0x12, 9, 7));
  match(await fault(), /byte 3/);
  equal(await chromium.evaluate(`document.querySelector("#hex .wrong").innerText`), "12");
});

test("files: compressed, each after its length, and of a type that the user names", LIMIT, async () => {
  await choose();
  await chromium.evaluate(`(async () => {
    const packed = new Blob(['{"object":"chat.completion","x":1}']).stream().pipeThrough(new CompressionStream("gzip"));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([await new Response(packed).blob()], "a.json.gz"));
    dispatchEvent(new DragEvent("drop", { dataTransfer }));
  })()`);
  await settled();
  ok((await labels()).some((label) => label.startsWith("x | 1 | Struct")));
  await drop("a.binpbs", Uint8Array.of(3, 10, 1, 97, 3, 10, 1, 98));
  equal(await textOf("documents-title"), "2 documents, messages, each after its length");
  await drop("a.json", '{"id":"a"}');
  match(await textOf("detail-home"), /ChatCompletion\.$/);
  await chromium.evaluate(`(() => {
    const select = document.getElementById("type");
    select.value = "chatcompletion.v1.ErrorResponse";
    select.dispatchEvent(new Event("change"));
  })()`);
  await settled();
  equal(await textOf("detail-home"), "A message of type chatcompletion.v1.ErrorResponse.");
  await type("source", '{"id":"b"}');
  equal(await valueOf("type"), "chatcompletion.v1.ErrorResponse");
  await drop("a.binpb", Uint8Array.of(10, 1, 97, 0x28, 1));
  const known = await valueOf("type");
  await type("source", '{"error":{"message":"c"}}');
  equal(await valueOf("type"), known);
  await drop("a.json", '{"error":{"message":"c"}}');
  equal(await valueOf("type"), "chatcompletion.v1.ErrorResponse");
});

test("the tree follows the caret while the user types", LIMIT, async () => {
  await choose();
  await chromium.evaluate(`(() => {
    const source = document.getElementById("source");
    source.focus();
    source.value = '{"id":"a","model":"é"}';
    source.setSelectionRange(20, 20);
    source.dispatchEvent(new Event("input"));
  })()`);
  await settled();
  equal(await textOf("detail-path"), "/model");
  equal(await lit(), "22 02 c3 a9");
});

test("a link holds the document and the place in it", LIMIT, async () => {
  await choose();
  const text = '{"object":"chat.completion","x":"é\u2028<&>"}';
  await type("source", text);
  await selectMember("/x");
  await chromium.evaluate(`document.getElementById("share").click()`);
  await settled();
  const link = await valueOf("link");
  match(link, /\/index\.html#json=/);
  await visit(link.slice(link.indexOf("#")));
  equal(await valueOf("source"), text);
  equal(await textOf("detail-path"), "/x");
});

test("a link holds all documents of a small input, and after an edit the one that is shown", LIMIT, async () => {
  await choose();
  await drop("a.jsonl", '{"error":{"message":"a"}}\n{"error":{"message":"b"}}\n');
  const share = async (): Promise<string> => {
    await chromium.evaluate(`document.getElementById("share").click()`);
    await settled();
    return (await valueOf("link")).replace(/^[^#]*/, "");
  };
  const whole = await share();
  match(await textOf("link-note"), /with all documents/);
  await type("source", '{"error":{"message":"c"}}');
  const alone = await share();
  match(await textOf("link-note"), /with this document alone/);
  await visit(whole);
  equal(await textOf("documents-title"), "2 documents, JSON lines");
  await visit(alone);
  equal(await valueOf("source"), '{"error":{"message":"c"}}');
});

for (const [name, fragment] of [["no base64", "#json=%"], ["not compressed", "#json=AAAA"], ["an unknown type", "#json=q1YqSS0uUbJSSlSqBQA&type=__proto__"]] as const) {
  test(`a damaged link: ${name}`, LIMIT, async () => {
    await visit(fragment);
    ok(name === "an unknown type" || (await fault()).startsWith("The link is damaged"), await fault());
    ok((await labels()).length > 0);
  });
}

test("10 MB of JSON lines are read, and few elements made", LIMIT, async () => {
  await choose();
  const line = JSON.stringify({ id: "a", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: "x".repeat(800) }, finish_reason: "stop" }] });
  const lines = Math.ceil(1e7 / line.length);
  await chromium.evaluate(`(() => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([${JSON.stringify(`${line}\n`)}.repeat(${lines})], "lines.jsonl"));
    dispatchEvent(new DragEvent("drop", { dataTransfer }));
  })()`);
  await settled();
  equal(await textOf("documents-title"), `${new Intl.NumberFormat("en").format(lines)} documents, JSON lines`);
  ok((await chromium.evaluate<number>(`document.querySelectorAll("*").length`)) < 3000);
  await focus("documents");
  await chromium.key("End");
  await settled();
  ok(await chromium.evaluate(`document.getElementById("document-${lines - 1}").ariaSelected === "true"`));
});

test("a list that is drawn before a new input is read shows the documents that it has", LIMIT, async () => {
  await visit();
  await drop("lines.jsonl", Array.from({ length: 100 }, (_, at) => `{"error":{"message":"${at}"}}\n`).join(""));
  const texts = await chromium.evaluate<string[]>(`(() => {
    const [list, select] = [document.getElementById("documents"), document.getElementById("example")];
    const texts = () => Array.from(list.querySelectorAll("[role=option]"), (each) => each.textContent);
    const frame = requestAnimationFrame;
    requestAnimationFrame = (draw) => draw();
    const before = texts();
    select.value = "0";
    select.dispatchEvent(new Event("change"));
    list.dispatchEvent(new Event("scroll"));
    requestAnimationFrame = frame;
    return [before, texts()].map((each) => each.join());
  })()`);
  await settled();
  match(texts[0]!, /"message":"0"/);
  equal(texts[1], texts[0]);
  deepEqual(chromium.complaints, []);
});

test("one document of a megabyte has its members, and few elements", LIMIT, async () => {
  await choose();
  await drop("large.json", `{"object":"chat.completion","x":[${Array.from({ length: 100_000 }, (_, at) => at).join()}]}`);
  match(await textOf("source-note"), /edit values among the members/);
  await focus("members");
  await chromium.key("End");
  await chromium.key("*");
  await chromium.key("ArrowRight");
  ok((await labels()).length < 100);
});

for (const [width, height, scheme, example] of [[1400, 900, "light", 0], [1400, 900, "dark", 2], [800, 900, "light", 2], [360, 740, "dark", 0], [360, 740, "light", 3]] as const) {
  test(`accessible at ${width} pixels in ${scheme}, example ${example}`, LIMIT, async () => {
    await chromium.look(width, height, scheme);
    await choose(example);
    await focus("members");
    await chromium.key("ArrowDown");
    await chromium.evaluate(AXE);
    const found = await chromium.evaluate<{ id: string; nodes: { html: string; failureSummary: string }[] }[]>(
      `axe.run({ resultTypes: ["violations"] }).then(({ violations }) => violations)`,
    );
    deepEqual(found.map(({ id, nodes }) => `${id}: ${nodes[0]!.html} ${nodes[0]!.failureSummary}`), []);
    const tops = await chromium.evaluate<number[]>(`Array.from(document.querySelectorAll("#members .member"), (row) => Math.round(row.getBoundingClientRect().top))`);
    deepEqual([...new Set(tops.slice(1).map((top, at) => top - tops[at]!))], [26]);
    ok(await chromium.evaluate(`document.documentElement.scrollWidth <= innerWidth`), "the page scrolls sideways");
  });
}

test("the page complained of nothing", () => {
  deepEqual(chromium.complaints, []);
});
