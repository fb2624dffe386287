// Where the values of a JSON text are, in bytes. The core has accepted the text, so that nothing is checked here.

const QUOTE = 34;
const BACKSLASH = 92;

export const enum Byte {
  Comma = 44,
  OpenArray = 91,
  CloseArray = 93,
  OpenObject = 123,
  CloseObject = 125,
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export function decode(bytes: Uint8Array, start = 0, end = bytes.length): string {
  return decoder.decode(bytes.subarray(start, end));
}

/** Return the string that a JSON string stands for. */
export function stringAt(bytes: Uint8Array, start: number, end: number): string {
  const text = decode(bytes, start, end);
  return text.includes("\\") ? (JSON.parse(text) as string) : text.slice(1, -1);
}

/** Reads the tokens of a text. `blank` counts the bytes of whitespace between tokens so far. */
export class Scanner {
  blank = 0;

  constructor(
    readonly bytes: Uint8Array,
    public at = 0,
  ) {
    if (bytes[0] === 0xef && at === 0) {
      this.at = 3;
    }
  }

  /** Return the byte of the next token. */
  peek(): number {
    const start = this.at;
    while (this.bytes[this.at]! <= 32) {
      this.at++;
    }
    this.blank += this.at - start;
    return this.bytes[this.at]!;
  }

  /** Step over a bracket, comma or colon. */
  skip(): void {
    this.peek();
    this.at++;
  }

  /** Step over a string, a number or a word. */
  scalar(): void {
    const { bytes } = this;
    if (this.peek() === QUOTE) {
      this.at++;
      while (bytes[this.at] !== QUOTE) {
        this.at += bytes[this.at] === BACKSLASH ? 2 : 1;
      }
      this.at++;
      return;
    }
    // Up to a comma, a bracket or whitespace.
    for (let byte = bytes[this.at]; byte !== undefined && !isEnd(byte); byte = bytes[this.at]) {
      this.at++;
    }
  }
}

function isEnd(byte: number): boolean {
  return byte <= 32 || byte === Byte.Comma || byte === Byte.CloseArray || byte === Byte.CloseObject;
}

/** A value inside a JSON text: where it is, and what is inside it. Of a member, the start is that of its name. */
export interface Span {
  readonly start: number;
  end: number;
  readonly inside: Span[];
}

/** Return where the values of a text are that stands anywhere in some bytes. */
export function spansOf(bytes: Uint8Array, start: number, end: number): Span {
  const scanner = new Scanner(bytes.subarray(start, end));
  const read = (from: number): Span => {
    const span: Span = { start: start + from, end: 0, inside: [] };
    const opening = scanner.peek();
    if (opening === Byte.OpenObject || opening === Byte.OpenArray) {
      scanner.skip();
      while (scanner.peek() !== Byte.CloseObject && scanner.bytes[scanner.at] !== Byte.CloseArray) {
        const first = scanner.at;
        if (opening === Byte.OpenObject) {
          scanner.scalar();
          scanner.skip();
        }
        span.inside.push(read(first));
        if (scanner.peek() === Byte.Comma) {
          scanner.skip();
        }
      }
      scanner.skip();
    } else {
      scanner.scalar();
    }
    span.end = start + scanner.at;
    return span;
  };
  scanner.peek();
  return read(scanner.at);
}
