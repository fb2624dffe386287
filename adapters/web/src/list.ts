// A list of any length of which only the rows in sight are elements.

/** Pixels that browsers allow an element to be high, on the safe side. A longer list scrolls faster than its rows. */
const MAX_HEIGHT = 8_000_000;

export class VirtualList {
  readonly #box: HTMLElement;
  readonly #space: HTMLElement;
  readonly #render: (index: number) => HTMLElement;
  #count = 0;
  #rowHeight = 24;
  #isAsked = false;

  constructor(box: HTMLElement, render: (index: number) => HTMLElement) {
    this.#box = box;
    this.#render = render;
    this.#space = document.createElement("div");
    this.#space.className = "space";
    this.#space.setAttribute("role", "presentation");
    box.append(this.#space);
    box.addEventListener("scroll", () => this.refresh(), { passive: true });
    new ResizeObserver(() => this.refresh()).observe(box);
  }

  get count(): number {
    return this.#count;
  }

  /** Rows that are in sight at once. */
  get page(): number {
    return Math.max(1, Math.floor(this.#box.clientHeight / this.#rowHeight) - 1);
  }

  setCount(count: number): void {
    this.#count = count;
    this.#rowHeight = Number.parseFloat(getComputedStyle(this.#box).getPropertyValue("--row")) || 24;
    this.#space.style.height = `${this.#height}px`;
    this.draw();
  }

  get #height(): number {
    return Math.min(this.#count * this.#rowHeight, MAX_HEIGHT);
  }

  /** Return how many pixels of rows one pixel of scrolling passes. */
  get #speed(): number {
    const [rows, box] = [this.#count * this.#rowHeight, this.#box.clientHeight];
    return this.#height > box ? (rows - box) / (this.#height - box) : 1;
  }

  /** Scroll as little as needed for a row to be in sight. */
  reveal(index: number): void {
    const speed = this.#speed;
    const [top, height] = [this.#box.scrollTop * speed, this.#box.clientHeight];
    const start = index * this.#rowHeight;
    if (start < top) {
      this.#box.scrollTop = start / speed;
    } else if (start + this.#rowHeight > top + height) {
      this.#box.scrollTop = (start + this.#rowHeight - height) / speed;
    }
    this.draw();
  }

  /** Draw before the next frame. */
  refresh(): void {
    if (!this.#isAsked) {
      this.#isAsked = true;
      requestAnimationFrame(() => {
        this.#isAsked = false;
        this.draw();
      });
    }
  }

  draw(): void {
    const top = this.#box.scrollTop * this.#speed;
    const first = Math.max(0, Math.floor(top / this.#rowHeight) - 2);
    const last = Math.min(this.#count, Math.ceil((top + this.#box.clientHeight) / this.#rowHeight) + 2);
    const offset = this.#box.scrollTop - top;
    const rows: HTMLElement[] = [];
    for (let index = first; index < last; index++) {
      const row = this.#render(index);
      row.style.transform = `translateY(${offset + index * this.#rowHeight}px)`;
      rows.push(row);
    }
    this.#space.replaceChildren(...rows);
  }
}
