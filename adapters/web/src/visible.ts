// Text of others as the page shows it: what cannot be seen, or moves other text, is an escape.

/** Control characters, marks of direction, joiners, tags, separators of lines, halves of surrogates, and private characters. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

function escape(character: string): string {
  const code = character.codePointAt(0)!;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

/** Return text with escapes, at most some characters of it. */
export function visible(text: string, limit = Infinity): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return cut.replace(INVISIBLE, escape);
}

/** Count the characters that cannot be seen, line ends and tabs aside. */
export function invisibleCount(text: string): number {
  let count = 0;
  for (const [found] of text.matchAll(INVISIBLE)) {
    count += "\n\r\t".includes(found) ? 0 : 1;
  }
  return count;
}

const numbers = new Intl.NumberFormat("en");

export function count(value: number, noun: string): string {
  return `${numbers.format(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Return a part of a whole in percent. */
export function share(part: number, whole: number): string {
  const percent = whole === 0 ? 0 : (100 * part) / whole;
  return percent > 0 && percent < 1 ? "<1 %" : `${Math.round(percent)} %`;
}
