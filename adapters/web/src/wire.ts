// The protobuf wire format, as far as the page needs it: where each field of a message is. The core has accepted the bytes.

export const enum WireType {
  Varint = 0,
  Fixed64 = 1,
  Bytes = 2,
  Group = 3,
  Fixed32 = 5,
}

/** Where a field is: its tag, and its payload behind the tag and the length. */
export interface Occurrence {
  readonly number: number;
  readonly wireType: number;
  readonly start: number;
  readonly payload: number;
  readonly end: number;
}

/** Pairs of a start and an end. Pieces of a message that is written more than once count as one message. */
export type Ranges = number[];

/** Read a varint as a bigint, of which the lower 64 bits count. */
export function varint(bytes: Uint8Array, at: number): bigint {
  let [value, shift] = [0n, 0n];
  for (; ; at++, shift += 7n) {
    const byte = bytes[at]!;
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) {
      return BigInt.asUintN(64, value);
    }
  }
}

/** Return the end of a varint. */
export function endOfVarint(bytes: Uint8Array, at: number): number {
  while (bytes[at]! > 127) {
    at++;
  }
  return at + 1;
}

/** Return a varint that is a length or a tag. */
export function small(bytes: Uint8Array, at: number): number {
  let [value, scale] = [0, 1];
  for (; bytes[at]! > 127; at++, scale *= 128) {
    value += (bytes[at]! & 127) * scale;
  }
  return value + bytes[at]! * scale;
}

/** Return the fields of a message, in the order of the bytes. */
export function occurrences(bytes: Uint8Array, pieces: Ranges): Occurrence[] {
  const found: Occurrence[] = [];
  for (let piece = 0; piece < pieces.length; piece += 2) {
    for (let at = pieces[piece]!; at < pieces[piece + 1]!; at = found.at(-1)!.end) {
      found.push(occurrence(bytes, at));
    }
  }
  return found;
}

function occurrence(bytes: Uint8Array, start: number): Occurrence {
  // Of a tag the lower 32 bits count.
  const tag = small(bytes, start) % 2 ** 32;
  const [number, wireType] = [Math.floor(tag / 8), tag % 8];
  let payload = endOfVarint(bytes, start);
  let end = payload;
  switch (wireType) {
    case WireType.Varint:
      end = endOfVarint(bytes, payload);
      break;
    case WireType.Fixed64:
      end = payload + 8;
      break;
    case WireType.Fixed32:
      end = payload + 4;
      break;
    case WireType.Bytes:
      end = endOfVarint(bytes, payload) + small(bytes, payload);
      payload = endOfVarint(bytes, payload);
      break;
    case WireType.Group:
      for (let inner = occurrence(bytes, payload); inner.wireType !== 4; inner = occurrence(bytes, end)) {
        end = inner.end;
      }
      end = endOfVarint(bytes, end);
      break;
  }
  return { number, wireType, start, payload, end };
}

/** Return the payloads of occurrences, as the pieces of one message. */
export function payloads(found: readonly Occurrence[]): Ranges {
  return found.flatMap(({ payload, end }) => [payload, end]);
}

/** Return where occurrences are. */
export function places(found: readonly Occurrence[]): Ranges {
  return found.flatMap(({ start, end }) => [start, end]);
}

export function lengthOf(ranges: Ranges): number {
  let length = 0;
  for (let at = 0; at < ranges.length; at += 2) {
    length += ranges[at + 1]! - ranges[at]!;
  }
  return length;
}
