// Elements. Text becomes text nodes only, so that no document is ever read as HTML.

type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Make an element. `true` stands for an attribute without a value; `false` and undefined for none. */
export function make<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes, ...inside: (Node | string)[]): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  made.append(...inside);
  return made;
}

/** Return an element of the page by its id. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) {
    throw new Error(`the page has no element ${id}`);
  }
  return found as T;
}
