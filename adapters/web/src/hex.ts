// The wire bytes, sixteen in a line. Arrow keys move from byte to byte, and each selects the member that has it.

import { make } from "./element.js";
import { VirtualList } from "./list.js";

type Ranges = ArrayLike<number>;
const NONE: Ranges = [];

export class Hex {
  readonly #box: HTMLElement;
  readonly #list: VirtualList;
  readonly #onByte: (offset: number) => void;
  #bytes: Uint8Array = new Uint8Array();
  #width = 16;
  #cursor = 0;
  #lit = NONE;
  #hovered = NONE;
  #changed = NONE;
  #wrong = -1;

  constructor(box: HTMLElement, onByte: (offset: number) => void) {
    this.#box = box;
    this.#onByte = onByte;
    this.#list = new VirtualList(box, (index) => this.#element(index));
    box.addEventListener("keydown", (event) => this.#key(event));
    box.addEventListener("click", ({ target }) => {
      const cell = target instanceof Element ? target.closest<HTMLElement>("[data-byte]") : null;
      if (cell !== null) {
        this.#move(Number(cell.dataset["byte"]));
      }
    });
    new ResizeObserver(() => this.#fit()).observe(box);
  }

  /** @param changed what is new in the bytes. @param wrong the byte at which they are wrong, -1 for none. */
  show(bytes: Uint8Array, changed: Ranges, wrong: number): void {
    [this.#bytes, this.#changed, this.#wrong, this.#lit, this.#hovered] = [bytes, changed, wrong, NONE, NONE];
    this.#cursor = Math.max(0, wrong);
    this.#fit();
    this.#list.setCount(Math.ceil(bytes.length / this.#width));
    this.#box.setAttribute("aria-rowcount", String(this.#list.count));
    this.#box.setAttribute("aria-colcount", String(this.#width + 1));
    if (wrong >= 0) {
      this.#reveal();
    }
    this.#point();
  }

  /** Light up bytes, and bring the first of them in sight. */
  light(ranges: Ranges): void {
    this.#lit = ranges;
    if (ranges.length > 0) {
      this.#list.reveal(Math.floor((ranges[1]! - 1) / this.#width));
    }
    if (ranges.length > 0 && !contains(ranges, this.#cursor)) {
      this.#cursor = Math.min(ranges[0]!, Math.max(0, this.#bytes.length - 1));
    }
    this.#reveal();
  }

  hover(ranges: Ranges): void {
    if (ranges.length > 0 || this.#hovered.length > 0) {
      this.#hovered = ranges;
      this.#list.refresh();
    }
  }

  #fit(): void {
    const width = this.#box.clientWidth < 440 ? 8 : 16;
    if (width !== this.#width) {
      this.#width = width;
      this.#list.setCount(Math.ceil(this.#bytes.length / width));
    }
  }

  #reveal(): void {
    if (this.#bytes.length > 0) {
      this.#list.reveal(Math.floor(this.#cursor / this.#width));
    }
    this.#point();
  }

  #point(): void {
    if (this.#bytes.length > 0) {
      this.#box.setAttribute("aria-activedescendant", `byte-${this.#cursor}`);
    } else {
      this.#box.removeAttribute("aria-activedescendant");
    }
  }

  #element(index: number): HTMLElement {
    const start = index * this.#width;
    const end = Math.min(start + this.#width, this.#bytes.length);
    const line = make("div", { role: "row", class: "line", "aria-rowindex": index + 1 });
    line.append(make("span", { role: "rowheader", class: "offset" }, start.toString(16).padStart(5, "0")));
    let characters = "";
    for (let at = start; at < end; at++) {
      const byte = this.#bytes[at]!;
      const isLit = contains(this.#lit, at);
      const style = [
        "byte",
        isLit ? "lit" : "",
        contains(this.#hovered, at) ? "hovered" : "",
        contains(this.#changed, at) ? "changed" : "",
        at === this.#wrong ? "wrong" : "",
        at === this.#cursor ? "cursor" : "",
      ];
      const cell = { role: "gridcell", id: `byte-${at}`, class: style.filter(Boolean).join(" "), "data-byte": at, "aria-selected": String(isLit) };
      line.append(make("span", cell, byte.toString(16).padStart(2, "0")));
      characters += byte > 32 && byte < 127 ? String.fromCharCode(byte) : "·";
    }
    for (let at = end; at < start + this.#width; at++) {
      line.append(make("span", { class: "byte", "aria-hidden": "true" }));
    }
    line.append(make("span", { class: "characters", "aria-hidden": "true" }, characters));
    return line;
  }

  #move(offset: number): void {
    this.#cursor = Math.max(0, Math.min(offset, this.#bytes.length - 1));
    this.#onByte(this.#cursor);
    this.#reveal();
  }

  #key(event: KeyboardEvent): void {
    const page = this.#list.page * this.#width;
    const steps: Record<string, number> = {
      ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.#width, ArrowDown: this.#width, PageUp: -page, PageDown: page,
      Home: -this.#cursor, End: this.#bytes.length,
    };
    const step = steps[event.key];
    if (step !== undefined && this.#bytes.length > 0) {
      event.preventDefault();
      this.#move(this.#cursor + step);
    }
  }
}

function contains(ranges: Ranges, at: number): boolean {
  for (let each = 0; each < ranges.length; each += 2) {
    if (ranges[each]! <= at && at < ranges[each + 1]!) {
      return true;
    }
  }
  return false;
}

/** Return what is new in some bytes: from the first to the last that differs. */
export function difference(before: Uint8Array, after: Uint8Array): number[] {
  const shorter = Math.min(before.length, after.length);
  let [start, tail] = [0, 0];
  while (start < shorter && before[start] === after[start]) {
    start++;
  }
  while (tail < shorter - start && before[before.length - 1 - tail] === after[after.length - 1 - tail]) {
    tail++;
  }
  return start === after.length - tail ? [] : [start, after.length - tail];
}
