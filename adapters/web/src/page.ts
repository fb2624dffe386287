// The page: it shows what the worker answers, and asks it what the user does.

import { shortName, STREAM, TYPES } from "./contract.js";
import type { Document, Row } from "./documents.js";
import { byId, make } from "./element.js";
import { EXAMPLES } from "./examples.js";
import { difference, Hex } from "./hex.js";
import { fieldOf, longHome } from "./homes.js";
import { inflate, MAX_INPUT } from "./input.js";
import { decode } from "./json.js";
import { fromFragment, MAX_LINKED, toFragment } from "./link.js";
import { VirtualList } from "./list.js";
import { Members } from "./members.js";
import type { Answer, Question } from "./protocol.js";
import { Home, isMember, nameOf, pointerOf, rangesOf, rowAt, rowOfByte, rowOfText } from "./tree.js";
import { count, invisibleCount, share, visible } from "./visible.js";

/** Bytes of a text that can be edited as a whole: a browser takes long to lay out more. */
const MAX_EDITED = 200_000;
/** Bytes of a value that can be edited in the details. */
const MAX_VALUE = 20_000;
const SHOWN_VIOLATIONS = 200;

const encoder = new TextEncoder();
const utf8 = (text: string): Uint8Array<ArrayBuffer> => encoder.encode(text) as Uint8Array<ArrayBuffer>;

const source = byId<HTMLTextAreaElement>("source");
const value = byId<HTMLTextAreaElement>("value");
const typeSelect = byId<HTMLSelectElement>("type");
const exampleSelect = byId<HTMLSelectElement>("example");
const fileInput = byId<HTMLInputElement>("file");
const link = byId<HTMLInputElement>("link");

const worker = new Worker(URL.createObjectURL(new Blob([byId("worker").textContent], { type: "text/javascript" })));

/** The number of the current input, its bytes, and how it is written. */
let input = 0;
let bytes = new Uint8Array();
let isWire = false;
let form = "";
let rows: Row[] = [];
let isRead = false;
let selected = -1;
/** The type of all documents of the input, where the user or a link names one. */
let named: string | undefined;
let shown: Document | undefined;
/** What is to be selected once the document is there: a JSON Pointer. */
let wanted = "";
/** Whether the text of the editor is the user's own, and must not be written. */
let isTyping = false;
/** The wire bytes before an edit. */
let before: Uint8Array | undefined;
/** What is to be said beside the document: why another one was not opened. */
let notice = "";
/** The number of questions that are open. The element `html` has the state "ready" when there is none. */
let open = 0;

function begin(): void {
  open += 1;
  document.documentElement.dataset["state"] = "busy";
}

function ask(question: Question, transfer: Transferable[] = []): void {
  begin();
  worker.postMessage(question, transfer);
}

/** Count work that takes a while as an open question. */
function during(work: Promise<unknown>): void {
  begin();
  void work.finally(settle);
}

function settle(): void {
  open -= 1;
  document.documentElement.dataset["state"] = open > 0 ? "busy" : "ready";
}

function say(text: string): void {
  byId("live").textContent = text;
}

// Inputs.

function openBytes(given: Uint8Array<ArrayBuffer>, { name = "", type = undefined as string | undefined, at = "", typing = false, told = "" } = {}): void {
  input += 1;
  [bytes, rows, isRead, selected, wanted, isTyping, notice, named] = [given, [], false, -1, at, typing, told, type];
  before = typing ? shown?.wire : undefined;
  byId("linked").hidden = true;
  const copy = given.slice();
  ask({ kind: "open", input, bytes: copy, name, type }, [copy.buffer]);
}

function openText(text: string, type?: string): void {
  openBytes(utf8(text), { type });
}

async function openFile(file: File): Promise<void> {
  try {
    if (file.size > MAX_INPUT) {
      throw new RangeError(`${count(file.size, "byte")}: at most ${MAX_INPUT >> 20} MiB are read`);
    }
    let read = new Uint8Array(await file.arrayBuffer());
    if (read[0] === 0x1f && read[1] === 0x8b) {
      read = await inflate(read, "gzip");
    }
    exampleSelect.value = "";
    openBytes(read, { name: file.name });
  } catch (error) {
    showFault(`${visible(file.name, 80)} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Open what the address holds; the first example if that is nothing. */
async function openFragment(): Promise<void> {
  let told = "";
  try {
    const linked = await fromFragment(location.hash);
    if (linked !== undefined) {
      const type = linked.type !== undefined && Object.hasOwn(TYPES, linked.type) ? TYPES[linked.type] : undefined;
      exampleSelect.value = "";
      openBytes(linked.bytes, { name: linked.isWire ? "link.binpb" : "", type, at: linked.at });
      return;
    }
  } catch {
    told = "The link is damaged, or holds too much: ask for the document itself.";
  }
  exampleSelect.value = "0";
  openBytes(utf8(EXAMPLES[0]!.text), { told });
}

function choose(index: number): void {
  if (index >= 0 && index < rows.length && index !== selected) {
    [before, isTyping, selected] = [undefined, false, index];
    ask({ kind: "show", input, index });
    if (list.count > 0) {
      list.reveal(index);
      listBox.setAttribute("aria-activedescendant", `document-${index}`);
    }
  }
}

// The list of documents.

/** Return the beginning of the text of a document; "" if the input does not have it. */
function textOf(bytes: Uint8Array, { start, end }: Row): string {
  return decode(bytes, start, Math.min(end, start + 2000));
}

/** Return a text from the comma before the place where it differs from the one above: the chunks of a stream begin alike. */
function ownText(text: string, before: string): string {
  let alike = 0;
  while (alike < text.length && text[alike] === before[alike]) {
    alike++;
  }
  const from = alike < text.length ? text.lastIndexOf(",", alike) + 1 : 0;
  return from > 0 ? `… ${text.slice(from)}` : text;
}

const listBox = byId("documents");
/** What the list shows: of the input before, until a new one has its first rows. */
let listed = { rows, bytes, isWire };
const list = new VirtualList(listBox, (index) => {
  const { rows, bytes, isWire } = listed;
  const row = rows[index]!;
  const what = row.chunks > 0 ? `${row.chunks > 1 ? count(row.chunks, "chunk") : "the stream"} put together` : shortName(row.type);
  const state = row.error || (row.violations > 0 ? count(row.violations, "violation") : "");
  const sizes = row.error ? "" : `${row.jsonSize} → ${row.wireSize} B`;
  const text = isWire ? "" : visible(ownText(textOf(bytes, row), index > 0 ? textOf(bytes, rows[index - 1]!) : ""), 120);
  return make(
    "div",
    {
      id: `document-${index}`,
      role: "option",
      class: `document${row.error ? " broken" : ""}${row.chunks > 0 ? " whole" : ""}`,
      "data-index": index,
      "aria-selected": String(index === selected),
      "aria-posinset": index + 1,
      "aria-setsize": rows.length,
    },
    make("span", { class: "number" }, `${index + 1} `),
    make("span", { class: "kind" }, `${what} `),
    make("span", { class: "sizes" }, `${sizes} `),
    make("span", { class: "state" }, `${state} `),
    make("span", { class: "text" }, make("bdi", {}, text)),
  );
});
listBox.addEventListener("click", ({ target }) => {
  const option = target instanceof Element ? target.closest<HTMLElement>("[data-index]") : null;
  choose(Number(option?.dataset["index"] ?? -1));
});
listBox.addEventListener("keydown", (event) => {
  const moves: Record<string, number> = {
    ArrowDown: selected + 1, ArrowUp: selected - 1, PageDown: selected + list.page, PageUp: selected - list.page, Home: 0, End: rows.length,
  };
  const to = moves[event.key];
  if (to !== undefined) {
    event.preventDefault();
    choose(Math.max(0, Math.min(to, rows.length - 1)));
  }
});

function showList(): void {
  const isList = rows.length > 1;
  byId("documents-panel").hidden = !isList;
  byId("documents-title").textContent = isRead ? `${count(rows.length, "document")}, ${form}` : `${count(rows.length, "document")} read so far`;
  listed = { rows, bytes, isWire };
  list.setCount(isList ? rows.length : 0);
  if (isList) {
    listBox.setAttribute("aria-activedescendant", `document-${Math.max(0, selected)}`);
  }
}

// The selected document.

const members = new Members(byId("members"), {
  select: (row) => select(row),
  edit: () => value.focus(),
  hover: (row) => hex.hover(shown?.tree && row >= 0 ? rangesOf(shown.tree, row) : []),
});
const hex = new Hex(byId("hex"), (offset) => {
  if (shown?.tree !== undefined) {
    select(rowOfByte(shown.tree, offset));
  }
});

function showDocument(document: Document): void {
  const isSame = before !== undefined || isTyping;
  const pointer = wanted || (isSame && shown?.tree && shown.json ? pointerOf(shown.tree, shown.json, members.selected) : "");
  wanted = "";
  shown = document;
  const { json, wire, tree, type, violations, refused, fault } = document;
  showTypes(document);
  showSource(document);
  const text = json ?? new Uint8Array();
  const rowsThatBreak = tree && json ? violations.map(({ path }) => pointerOf(tree, text, rowAt(tree, text, path))) : [];
  members.show(tree, text, new Set(rowsThatBreak), isSame);
  const changed = before !== undefined && wire !== undefined ? difference(before, wire) : [];
  hex.show(wire ?? new Uint8Array(), changed, fault?.isInWire ? fault.offset : -1);
  byId<HTMLButtonElement>("save").disabled = wire === undefined;
  byId("json-size").textContent = tree ? count(tree.jsonSize[0]!, "byte") : "–";
  byId("wire-size").textContent = wire ? count(wire.length, "byte") : "–";
  byId("ratio").textContent = tree && wire ? share(wire.length, tree.jsonSize[0]!) : "–";
  const verdict = fault ? "not readable" : violations.length > 0 ? count(violations.length, "violation") : "no violations";
  byId("count").textContent = verdict;
  showViolations(violations, new Set(refused), fault !== undefined);
  if (fault !== undefined) {
    const place = fault.isInWire ? `byte ${fault.offset}` : fault.line > 0 ? `line ${fault.line}, column ${fault.column} (byte ${fault.offset})` : "";
    const where = [place, fault.path && `in ${visible(fault.path, 200)}`].filter(Boolean).join(", ");
    showFault(`${visible(fault.reason, 500)}${where && `: ${where}`}`, place !== "");
  } else if (notice !== "") {
    showFault(notice);
  } else {
    byId("fault").hidden = true;
  }
  if (tree !== undefined && json !== undefined) {
    const isAtCaret = isTyping && window.document.activeElement === source;
    select(isAtCaret ? rowOfCaret() : rowAt(tree, json, pointer));
  } else {
    wanted = pointer;
    showDetail(-1);
  }
  if (fault === undefined && wire !== undefined) {
    const sizes = before !== undefined && before.length !== wire.length ? `${before.length} to ${wire.length} wire bytes` : count(wire.length, "wire byte");
    say(`${shortName(type)}, ${sizes}, ${verdict}`);
  }
  before = undefined;
}

function showTypes({ type, alike }: Document): void {
  const options = Object.entries(TYPES).map(([short, full]) => make("option", { value: full, selected: full === type }, short));
  typeSelect.replaceChildren(...options);
  typeSelect.disabled = rows[selected]?.chunks !== 0;
  const others = alike.filter((each) => each !== type).map(shortName);
  byId("members-note").textContent = others.length > 0 ? `These bytes may as well be of type ${others.join(" or ")}: choose above.` : "";
}

function showSource({ json, isFixed }: Document): void {
  const note = byId("source-note");
  const isLong = json !== undefined && json.length > MAX_EDITED;
  source.readOnly = isFixed !== "" || isLong;
  if (!isTyping) {
    source.value = json === undefined ? "" : isLong ? decode(json, 0, MAX_EDITED) : decode(json);
  }
  const hidden = invisibleCount(source.value);
  note.textContent = [
    isFixed,
    isLong ? `The first ${count(MAX_EDITED, "byte")} of ${count(json.length, "byte")}: edit values among the members.` : "",
    hidden > 0 ? `${count(hidden, "character")} of the text cannot be seen: members show them as escapes.` : "",
  ]
    .filter(Boolean)
    .join(" ");
}

function showViolations(violations: Document["violations"], refused: ReadonlySet<string>, isBroken: boolean): void {
  const items = violations.slice(0, SHOWN_VIOLATIONS).map(({ path, rule, message }) => {
    const button = make("button", { type: "button", class: "violation" }, make("code", {}, visible(path, 200) || "document"), ` ${visible(message, 300)} `);
    button.append(make("span", { class: "rule" }, refused.has(`${rule} ${path}`) ? `${rule}, refused by strict` : rule));
    button.addEventListener("click", () => {
      if (shown?.tree && shown.json) {
        select(rowAt(shown.tree, shown.json, path));
        byId("members").focus();
      }
    });
    return make("li", {}, button);
  });
  if (violations.length > SHOWN_VIOLATIONS) {
    items.push(make("li", {}, `and ${violations.length - SHOWN_VIOLATIONS} more`));
  }
  if (items.length === 0) {
    items.push(make("li", { class: "note" }, isBroken ? "The document cannot be read." : "None. A typed reader takes this document as it is."));
  }
  byId("violations").replaceChildren(...items);
}

function showFault(text: string, canGo = false): void {
  byId("fault").hidden = false;
  byId("fault-text").textContent = text;
  byId("fault-go").hidden = !canGo;
}

// The selected member.

function select(row: number): void {
  if (shown?.tree === undefined) {
    return;
  }
  members.select(row);
  hex.light(row > 0 ? rangesOf(shown.tree, row) : []);
  showDetail(row);
}

function showDetail(row: number): void {
  const { tree, json, wire, type, isFixed } = shown ?? {};
  byId("detail").hidden = row < 0;
  if (row < 0 || tree === undefined || json === undefined || wire === undefined || type === undefined) {
    return;
  }
  const isIn = isMember(tree.home[row]! as Home);
  const name = row > 0 && isIn ? nameOf(tree, json, row) : "";
  byId("detail-path").textContent = isIn ? visible(pointerOf(tree, json, row), 500) || "document" : visible(tree.notes.get(row) ?? "", 500);
  byId("detail-home").textContent = row === 0 ? `A message of type ${type}.` : longHome(tree, row, name, type);
  byId("detail-comment").textContent = fieldOf(tree, row)?.comment ?? "";
  const ranges = rangesOf(tree, row);
  const places = [];
  for (let at = 0; at < Math.min(ranges.length, 8); at += 2) {
    places.push(`${ranges[at]}–${ranges[at + 1]! - 1}`);
  }
  const size = tree.wireSize[row]!;
  const isBit = tree.home[row] === Home.NullBit || tree.home[row] === Home.EmptyBit;
  const onWire = isBit ? `one bit of bytes ${places.join(", ")}` : `${count(size, "byte")} on the wire, ${share(size, wire.length)}: ${places.join(", ")}${ranges.length > 8 ? " …" : ""}`;
  byId("detail-sizes").textContent = isIn ? `${count(tree.jsonSize[row]!, "byte")} of JSON; ${onWire}` : onWire;
  const [start, end] = [tree.valueStart[row]!, tree.valueEnd[row]!];
  const isLong = end - start > MAX_VALUE;
  const why = isFixed || (isLong ? `This value has ${count(end - start, "byte")}, too many to edit here.` : "");
  byId("edit").hidden = !isIn;
  value.value = isLong ? "" : decode(json, start, end);
  value.disabled = byId<HTMLButtonElement>("apply").disabled = why !== "";
  byId<HTMLButtonElement>("remove").disabled = isFixed !== "" || row === 0;
  byId("find").hidden = source.value.length === 0 || json.length > MAX_EDITED;
  byId("edit-note").textContent = why;
}

function editText(text: Uint8Array): void {
  before = shown?.wire;
  isTyping = false;
  // The text of a single document is the input, so that a link and a new choice of type see the edit.
  if (rows.length === 1) {
    bytes = text.slice();
    isWire = false;
  }
  ask({ kind: "edit", input, index: selected, json: text });
}

function splice(start: number, end: number, text: string): Uint8Array {
  const json = shown!.json!;
  const middle = utf8(text);
  const made = new Uint8Array(start + middle.length + json.length - end);
  made.set(json.subarray(0, start));
  made.set(middle, start);
  made.set(json.subarray(end), start + middle.length);
  return made;
}

function setValue(): void {
  const { tree } = shown ?? {};
  if (tree === undefined || value.disabled) {
    return;
  }
  try {
    JSON.parse(value.value);
  } catch (error) {
    byId("edit-note").textContent = `Not one JSON value: ${error instanceof Error ? error.message : String(error)}`;
    return;
  }
  editText(splice(tree.valueStart[members.selected]!, tree.valueEnd[members.selected]!, value.value.trim()));
}

function removeMember(): void {
  const { tree, json } = shown ?? {};
  const row = members.selected;
  if (tree === undefined || json === undefined || row <= 0) {
    return;
  }
  const begin = (each: number): number => (tree.nameEnd[each]! > 0 ? tree.nameStart[each]! : tree.valueStart[each]!);
  const next = tree.end[row]!;
  const hasNext = next < tree.end[tree.parent[row]!]! && isMember(tree.home[next]! as Home);
  let previous = -1;
  for (let each = tree.parent[row]! + 1; each < row; each = tree.end[each]!) {
    previous = each;
  }
  const start = hasNext || previous < 0 ? begin(row) : tree.valueEnd[previous]!;
  const text = splice(start, hasNext ? begin(next) : tree.valueEnd[row]!, "");
  wanted = pointerOf(tree, json, tree.parent[row]!);
  editText(text);
}

/** Return the row of the member in which the caret of the editor is. */
function rowOfCaret(): number {
  const { tree, json } = shown ?? {};
  if (tree === undefined || json === undefined || json.length > MAX_EDITED) {
    return 0;
  }
  return rowOfText(tree, utf8(source.value.slice(0, source.selectionStart)).length);
}

/** Select bytes of the document in the editor of its text. */
function findInText(start: number, end: number): void {
  const json = shown?.json;
  if (json === undefined) {
    return;
  }
  const offset = decode(json, 0, start).length;
  source.focus();
  source.setSelectionRange(offset, offset + decode(json, start, end).length);
  // A browser scrolls to the selection only while it types, so that the line is looked for here.
  const height = source.scrollHeight / Math.max(1, source.value.split("\n").length);
  source.scrollTop = Math.max(0, (source.value.slice(0, offset).split("\n").length - 4) * height);
}

// Answers.

worker.onmessage = ({ data }: MessageEvent<Answer>) => {
  if (data.kind !== "rows" || data.isDone) {
    settle();
  }
  if (data.input !== input || data.kind === "late") {
    return;
  }
  if (data.kind === "failed") {
    showFault(visible(data.reason, 500));
  } else if (data.kind === "rows") {
    data.rows.forEach((row) => rows.push(row));
    [form, isWire, isRead, bytes] = [data.form, data.isWire, data.isDone, data.bytes ?? bytes];
    showList();
    if (selected < 0 && rows.length > 0) {
      const kept = before;
      const typing = isTyping;
      choose(0);
      [before, isTyping] = [kept, typing];
    }
  } else {
    if (data.row !== undefined) {
      // It is no longer what the input has.
      rows[data.index] = { ...data.row, start: 0, end: 0 };
      showList();
    }
    if (data.index === selected) {
      showDocument(data.document);
    }
  }
};
worker.onerror = (event) => {
  settle();
  showFault(`The page's worker failed: ${event.message}`);
};

// What the user does.

source.addEventListener("input", () => {
  exampleSelect.value = "";
  if (rows.length > 1) {
    before = shown?.wire;
    isTyping = true;
    ask({ kind: "edit", input, index: selected, json: utf8(source.value) });
  } else {
    // What was read from wire bytes stays what it was.
    openBytes(utf8(source.value), { type: isWire ? shown?.type : named, typing: true });
  }
});
source.addEventListener("paste", (event) => {
  const text = event.clipboardData?.getData("text") ?? "";
  const isAll = source.selectionStart === 0 && source.selectionEnd === source.value.length;
  if (text.length > MAX_EDITED || (isAll && text !== "") || source.readOnly) {
    event.preventDefault();
    exampleSelect.value = "";
    openText(text);
  }
});
for (const kind of ["keyup", "click"] as const) {
  source.addEventListener(kind, () => {
    if (shown?.tree !== undefined && open === 0) {
      const row = rowOfCaret();
      if (row !== members.selected) {
        select(row);
      }
    }
  });
}
byId<HTMLFormElement>("edit").addEventListener("submit", (event) => {
  event.preventDefault();
  setValue();
});
value.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    setValue();
  } else if (event.key === "Escape") {
    showDetail(members.selected);
    byId("members").focus();
  }
});
byId("remove").addEventListener("click", removeMember);
byId("find").addEventListener("click", () => {
  const row = members.selected;
  if (shown?.tree !== undefined) {
    findInText(shown.tree.valueStart[row]!, shown.tree.valueEnd[row]!);
  }
});
byId("fault-go").addEventListener("click", () => {
  const fault = shown?.fault;
  if (fault?.isInWire) {
    byId("hex").focus();
  } else if (fault !== undefined) {
    findInText(fault.offset, fault.offset + 1);
  }
});
typeSelect.addEventListener("change", () => {
  if (rows.length === 1 || typeSelect.value === STREAM) {
    openBytes(bytes, { name: isWire ? "input.binpb" : "input.json", type: typeSelect.value });
  } else {
    ask({ kind: "retype", input, index: selected, type: typeSelect.value });
  }
});
exampleSelect.addEventListener("change", () => {
  const example = EXAMPLES[Number(exampleSelect.value)];
  if (exampleSelect.value !== "" && example !== undefined) {
    openText(example.text);
  }
});
byId("open").addEventListener("click", () => fileInput.click());
fileInput.addEventListener("change", () => {
  const file = fileInput.files?.[0];
  if (file !== undefined) {
    during(openFile(file));
  }
  fileInput.value = "";
});
byId("save").addEventListener("click", () => {
  if (shown?.wire !== undefined) {
    const url = URL.createObjectURL(new Blob([shown.wire.slice()]));
    make("a", { href: url, download: `${shortName(shown.type)}.binpb` }).click();
    URL.revokeObjectURL(url);
  }
});
byId("share").addEventListener("click", () => during(copyLink()));

async function copyLink(): Promise<void> {
  const { json, wire, tree, type, fault } = shown ?? {};
  const isEdited = rows.some(({ chunks, end }) => chunks === 0 && end === 0);
  const isWholeInput = rows.length > 1 && bytes.length <= MAX_LINKED >> 4 && !isWire && !isEdited;
  const linkedBytes = isWholeInput ? bytes : isWire || json === undefined ? wire : json;
  if (linkedBytes === undefined || linkedBytes.length > MAX_LINKED) {
    showFault(`A link holds a document of at most ${MAX_LINKED >> 20} MiB.`);
    return;
  }
  const at = tree && json && members.selected > 0 ? pointerOf(tree, json, members.selected) : "";
  const linkedType = isWholeInput || type === undefined ? undefined : shortName(type);
  const isWireLinked = linkedBytes === wire;
  const fragment = await toFragment({ bytes: linkedBytes.slice(), isWire: isWireLinked, type: fault && !isWireLinked ? undefined : linkedType, at });
  link.value = `${location.href.replace(/#.*$/, "")}${fragment}`;
  byId("linked").hidden = false;
  let note = "copy it from here";
  try {
    await navigator.clipboard.writeText(link.value);
    note = "copied";
  } catch {
    link.select();
  }
  note += rows.length > 1 ? (isWholeInput ? ", with all documents" : ", with this document alone") : "";
  note += link.value.length > 8000 ? `; ${count(link.value.length, "character")}, which some programs cut` : "";
  byId("link-note").textContent = note;
  say(`Link: ${note}`);
}

addEventListener("hashchange", () => during(openFragment()));
addEventListener("dragover", (event) => {
  event.preventDefault();
  byId("drop").hidden = false;
});
addEventListener("dragleave", (event) => {
  byId("drop").hidden = event.relatedTarget === null;
});
addEventListener("drop", (event) => {
  event.preventDefault();
  byId("drop").hidden = true;
  const file = event.dataTransfer?.files[0];
  const text = event.dataTransfer?.getData("text") ?? "";
  if (file !== undefined) {
    during(openFile(file));
  } else if (text !== "") {
    openText(text);
  }
});
addEventListener("paste", (event) => {
  const text = event.clipboardData?.getData("text") ?? "";
  if (text !== "" && !(event.target instanceof HTMLTextAreaElement || event.target instanceof HTMLInputElement)) {
    openText(text);
  }
});

exampleSelect.append(make("option", { value: "" }, "none"), ...EXAMPLES.map(({ name }, index) => make("option", { value: index }, name)));
during(openFragment());
