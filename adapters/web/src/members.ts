// The tree of members, as the pattern of ARIA describes a tree: arrow keys move, open and close, letters find names.

import { make } from "./element.js";
import { shortHome, styleOf } from "./homes.js";
import { Byte, decode } from "./json.js";
import { VirtualList } from "./list.js";
import { ancestors, Home, isMember, nameOf, pointerOf, type Tree } from "./tree.js";
import { count, share, visible } from "./visible.js";

/** Rows of a tree that is shown with all of it open. */
const ALL_OPEN = 400;
const SHOWN_VALUE = 160;

export class Members {
  readonly #box: HTMLElement;
  readonly #list: VirtualList;
  readonly #onSelect: (row: number) => void;
  readonly #onEdit: () => void;
  readonly #onHover: (row: number) => void;
  #tree: Tree | undefined;
  #json: Uint8Array = new Uint8Array();
  #wrong: ReadonlySet<string> = new Set();
  #isOpen = new Uint8Array();
  /** The rows that are neither closed nor inside a closed one. */
  #rows = new Int32Array();
  #selected = 0;
  #sought = "";
  #soughtAt = 0;

  constructor(box: HTMLElement, on: { select: (row: number) => void; edit: () => void; hover: (row: number) => void }) {
    this.#box = box;
    [this.#onSelect, this.#onEdit, this.#onHover] = [on.select, on.edit, on.hover];
    this.#list = new VirtualList(box, (index) => this.#element(index));
    box.addEventListener("keydown", (event) => this.#key(event));
    box.addEventListener("click", (event) => this.#click(event));
    box.addEventListener("dblclick", () => this.#onEdit());
    box.addEventListener("pointermove", ({ target }) => this.#onHover(rowOf(target)));
    box.addEventListener("pointerleave", () => this.#onHover(-1));
  }

  get selected(): number {
    return this.#selected;
  }

  /** Show a tree. If it is that of an edited document, what was open stays open. */
  show(tree: Tree | undefined, json: Uint8Array, wrong: ReadonlySet<string>, isSame: boolean): void {
    const before = isSame ? this.#openPointers() : undefined;
    [this.#tree, this.#json, this.#wrong] = [tree, json, wrong];
    const size = tree?.size ?? 0;
    this.#isOpen = new Uint8Array(size);
    for (let row = 0; row < size; row++) {
      this.#isOpen[row] = size <= ALL_OPEN || tree!.depth[row]! < 2 ? 1 : 0;
    }
    if (tree !== undefined && before !== undefined) {
      for (let row = 0; row < size; row++) {
        const known = before.get(pointerOf(tree, json, row));
        this.#isOpen[row] = known === undefined ? this.#isOpen[row]! : known ? 1 : 0;
      }
    }
    this.#selected = 0;
    this.#layOut();
  }

  /** Return which rows are open, by their pointers, for a tree that is not too large to look at each. */
  #openPointers(): Map<string, boolean> | undefined {
    const tree = this.#tree;
    if (tree === undefined || tree.size > 5000) {
      return undefined;
    }
    return new Map(Array.from({ length: tree.size }, (_, row) => [pointerOf(tree, this.#json, row), this.#isOpen[row] === 1]));
  }

  /** Select a row, and open those around it. */
  select(row: number): void {
    const tree = this.#tree;
    if (tree === undefined) {
      return;
    }
    this.#selected = row;
    let isChanged = false;
    for (const each of ancestors(tree, row).slice(0, -1)) {
      isChanged ||= this.#isOpen[each] === 0;
      this.#isOpen[each] = 1;
    }
    if (isChanged) {
      this.#layOut();
    }
    this.#list.reveal(this.#indexOf(row));
    this.#box.setAttribute("aria-activedescendant", `row-${row}`);
  }

  #layOut(): void {
    const tree = this.#tree;
    const rows: number[] = [];
    for (let row = 0; tree !== undefined && row < tree.size; row = this.#isOpen[row] ? row + 1 : tree.end[row]!) {
      rows.push(row);
    }
    this.#rows = Int32Array.from(rows);
    this.#list.setCount(rows.length);
    if (rows.length > 0) {
      this.#box.setAttribute("aria-activedescendant", `row-${this.#selected}`);
    } else {
      this.#box.removeAttribute("aria-activedescendant");
    }
  }

  #indexOf(row: number): number {
    let [low, high] = [0, this.#rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#rows[middle]! < row) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  #element(index: number): HTMLElement {
    const tree = this.#tree!;
    const row = this.#rows[index]!;
    const home = tree.home[row]! as Home;
    const parent = tree.parent[row]!;
    const isShared = home === Home.NullBit || home === Home.EmptyBit;
    const inside = tree.count[row]!;
    const name = this.#nameOf(row);
    const value = this.#valueOf(row);
    const size = tree.wireSize[row]!;
    const isWrong = this.#wrong.has(pointerOf(tree, this.#json, row));
    const element = make(
      "div",
      {
        id: `row-${row}`,
        role: "treeitem",
        class: `member ${styleOf(home)}`,
        "data-row": row,
        "aria-level": tree.depth[row]! + 1,
        "aria-posinset": tree.position[row]! + 1,
        "aria-setsize": parent < 0 ? 1 : tree.count[parent],
        "aria-selected": String(row === this.#selected),
        "aria-expanded": inside > 0 ? String(this.#isOpen[row] === 1) : undefined,
      },
      make("span", { class: "twisty" }),
      make("span", { class: "name" }, make("bdi", {}, name), " "),
      make("span", { class: `value ${this.#kindOf(row)}` }, make("bdi", {}, value), " "),
      make("span", { class: "flag" }, isWrong ? "!" : "", make("span", { class: "unseen" }, isWrong ? "breaks the contract " : "")),
      make("span", { class: "home" }, `${shortHome(tree, row)} `),
      make("span", { class: "size" }, isShared ? "" : String(size), make("span", { class: "unseen" }, isShared ? "" : " bytes")),
      make("span", { class: "bar" }, make("span", { class: "fill" })),
    );
    element.style.setProperty("--depth", String(tree.depth[row]!));
    element.style.setProperty("--share", tree.wireSize[0]! > 0 ? String(size / tree.wireSize[0]!) : "0");
    element.title = size > 0 ? `${share(size, tree.wireSize[0]!)} of the wire bytes` : "";
    return element;
  }

  #nameOf(row: number): string {
    const tree = this.#tree!;
    if (row === 0) {
      return "document";
    }
    if (!isMember(tree.home[row]! as Home)) {
      return visible((tree.notes.get(row) ?? "").split(":")[0]!, SHOWN_VALUE);
    }
    return visible(nameOf(tree, this.#json, row), SHOWN_VALUE) || '""';
  }

  #valueOf(row: number): string {
    const tree = this.#tree!;
    if (!isMember(tree.home[row]! as Home)) {
      return visible((tree.notes.get(row) ?? "").split(": ").slice(1).join(": "), SHOWN_VALUE);
    }
    const start = tree.valueStart[row]!;
    const opening = this.#json[start];
    if (opening === Byte.OpenObject) {
      return `{ ${count(membersOf(tree, row), "member")} }`;
    }
    if (opening === Byte.OpenArray) {
      return `[ ${count(tree.count[row]!, "item")} ]`;
    }
    return visible(decode(this.#json, start, Math.min(tree.valueEnd[row]!, start + 3 * SHOWN_VALUE)), SHOWN_VALUE);
  }

  #kindOf(row: number): string {
    const byte = this.#json[this.#tree!.valueStart[row]!]!;
    return byte === 34 ? "string" : byte === Byte.OpenObject || byte === Byte.OpenArray ? "inside" : "scalar";
  }

  #choose(index: number): void {
    const row = this.#rows[Math.max(0, Math.min(index, this.#rows.length - 1))];
    if (row !== undefined) {
      this.#onSelect(row);
    }
  }

  #setOpen(row: number, isOpen: boolean): void {
    if (this.#tree!.count[row]! > 0) {
      this.#isOpen[row] = isOpen ? 1 : 0;
      this.#layOut();
    }
  }

  #click(event: MouseEvent): void {
    const row = rowOf(event.target);
    if (row < 0) {
      return;
    }
    if (event.target instanceof Element && event.target.classList.contains("twisty")) {
      this.#setOpen(row, this.#isOpen[row] === 0);
    }
    this.#onSelect(row);
  }

  #key(event: KeyboardEvent): void {
    const tree = this.#tree;
    if (tree === undefined || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const row = this.#selected;
    const index = this.#indexOf(row);
    const isOpen = tree.count[row]! > 0 && this.#isOpen[row] === 1;
    const moves: Record<string, () => void> = {
      ArrowDown: () => this.#choose(index + 1),
      ArrowUp: () => this.#choose(index - 1),
      PageDown: () => this.#choose(index + this.#list.page),
      PageUp: () => this.#choose(index - this.#list.page),
      Home: () => this.#choose(0),
      End: () => this.#choose(this.#rows.length - 1),
      ArrowRight: () => (isOpen ? this.#choose(index + 1) : this.#setOpen(row, true)),
      ArrowLeft: () => (isOpen ? this.#setOpen(row, false) : this.#onSelect(Math.max(0, tree.parent[row]!))),
      " ": () => this.#setOpen(row, !isOpen),
      Enter: () => this.#onEdit(),
      F2: () => this.#onEdit(),
      "*": () => {
        for (let each = row + 1; each < tree.end[row]!; each++) {
          this.#isOpen[each] = 1;
        }
        this.#setOpen(row, true);
      },
    };
    const move = moves[event.key];
    if (move !== undefined) {
      event.preventDefault();
      move();
    } else if (event.key.length === 1) {
      event.preventDefault();
      this.#seek(event.key, event.timeStamp, index);
    }
  }

  /** Go to the next row whose name begins with the letters that were typed one after the other. */
  #seek(letter: string, time: number, index: number): void {
    this.#sought = time - this.#soughtAt < 700 ? this.#sought + letter : letter;
    this.#soughtAt = time;
    const first = this.#sought.length > 1 ? 0 : 1;
    for (let step = first; step < this.#rows.length + first; step++) {
      const next = (index + step) % this.#rows.length;
      if (this.#nameOf(this.#rows[next]!).toLowerCase().startsWith(this.#sought.toLowerCase())) {
        this.#choose(next);
        return;
      }
    }
  }
}

/** Count the members of an object. The rows that are none come last, and have nothing inside. */
function membersOf(tree: Tree, row: number): number {
  let found = tree.count[row]!;
  for (let last = tree.end[row]! - 1; found > 0 && tree.parent[last] === row && !isMember(tree.home[last]! as Home); last--) {
    found--;
  }
  return found;
}

function rowOf(target: EventTarget | null): number {
  const element = target instanceof Element ? target.closest<HTMLElement>("[data-row]") : null;
  return element === null ? -1 : Number(element.dataset["row"]);
}
