// A link that holds a document in its fragment, which browsers send to nobody.

import { deflate, inflate } from "./input.js";

/** Bytes of a document that a link may hold, and that a link is read up to. */
export const MAX_LINKED = 1 << 20;

export interface Linked {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly isWire: boolean;
  readonly type: string | undefined;
  /** The JSON Pointer of the selected member. */
  readonly at: string;
}

export async function toFragment({ bytes, isWire, type, at }: Linked): Promise<string> {
  const packed = await deflate(bytes);
  let binary = "";
  for (const byte of packed) {
    binary += String.fromCharCode(byte);
  }
  const text = btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const parts = new URLSearchParams({ [isWire ? "wire" : "json"]: text });
  if (type !== undefined) {
    parts.set("type", type);
  }
  if (at !== "") {
    parts.set("at", at);
  }
  return `#${parts}`;
}

/** Return what a fragment holds; undefined if it holds no document. Throws for one that is damaged or too large. */
export async function fromFragment(fragment: string): Promise<Linked | undefined> {
  const parts = new URLSearchParams(fragment.replace(/^#/, ""));
  const isWire = parts.has("wire");
  const text = parts.get(isWire ? "wire" : "json");
  if (text === null) {
    return undefined;
  }
  const packed = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));
  const bytes = await inflate(packed, "deflate-raw", MAX_LINKED);
  return { bytes, isWire, type: parts.get("type") ?? undefined, at: parts.get("at") ?? "" };
}
