// The errors that chatpb throws for bad data, worded as those of the Python library. Wrong arguments throw TypeError or
// RangeError.

const SHOWN_VIOLATIONS = 20;

/** What kind of error it is, for code that was given an error by another copy of this module. */
export type ErrorCode = "json" | "wire" | "contract" | "stream" | "event" | "schema" | "internal";

/** The base of every error about data that chatpb was given. */
export class ChatpbError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Text is not acceptable JSON: RFC 8259, and the limits of the mapping. */
export class JsonError extends ChatpbError {
  /**
   * @param path JSON Pointer (RFC 6901) of the value being read; "" is the document itself.
   * @param line the line of the character where the text is wrong, from 1.
   * @param column the column of that character in code points, from 1.
   * @param offset the offset of that character in bytes of UTF-8, from 0.
   * @param reason what is wrong, in one sentence.
   */
  constructor(
    readonly path: string,
    readonly line: number,
    readonly column: number,
    readonly offset: number,
    readonly reason: string,
  ) {
    super("json", `${reason} at line ${line}, column ${column} (byte ${offset})${path && `, in ${path}`}`);
  }
}

/** Bytes are not a valid protobuf encoding, or hold what JSON cannot. */
export class WireError extends ChatpbError {
  /**
   * @param path JSON Pointer (RFC 6901) of the message being read; "" is the outermost one.
   * @param offset the offset in bytes of the field that is wrong, from the start of the input.
   * @param reason what is wrong, in one sentence.
   */
  constructor(
    readonly path: string,
    readonly offset: number,
    readonly reason: string,
  ) {
    super("wire", `${reason} at byte ${offset}${path && `, in ${path}`}`);
  }
}

/** One way in which a message breaks the contract. */
export interface Violation {
  /** JSON Pointer (RFC 6901) of the member. */
  readonly path: string;
  /** The id of the broken rule, from the list in docs/mapping.md. */
  readonly rule: string;
  /** What is wrong, in one sentence. It names types and members, but never a value. */
  readonly message: string;
}

/** A message breaks the contract, and the caller asked for `strict`. */
export class ContractError extends ChatpbError {
  /** @param violations the violations found, in the contract's order, but those that `strict` lets pass. */
  constructor(readonly violations: readonly Violation[]) {
    const count = violations.length;
    const head = count === 1 ? "1 violation" : `${count} violations`;
    const shown = violations
      .slice(0, SHOWN_VIOLATIONS)
      .map(({ path, rule, message }) => `${path || "document"}: ${message} [${rule}]`);
    if (count > SHOWN_VIOLATIONS) {
      shown.push(`and ${count - SHOWN_VIOLATIONS} more`);
    }
    super("contract", `${head} of the contract: ${shown.join("; ")}`);
  }
}

/** A stream that cannot be read further: an event is too large, not a chunk, or cut short. */
export class StreamError extends ChatpbError {
  constructor(message: string, options?: ErrorOptions) {
    super("stream", message, options);
  }
}

/** An error that the sender reports in the stream. */
export class ErrorEvent extends ChatpbError {
  /** @param body the data of the event, usually the JSON text of an error response. */
  constructor(readonly body: string) {
    super("event", "the stream reports an error");
  }
}

/** Descriptors are malformed, lack the message type, or describe what the mapping cannot hold. */
export class SchemaError extends ChatpbError {
  constructor(message: string) {
    super("schema", message);
  }
}

/** A defect of chatpb, or no memory for what was asked. Later calls are not affected. */
export class InternalError extends ChatpbError {
  constructor(message: string, options?: ErrorOptions) {
    super("internal", message, options);
  }
}
