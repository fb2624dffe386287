// Converts JSON with chatpb.

import { create } from "@bufbuild/protobuf";
import { Accumulator, JsonError, jsonToWire, validate, WireError, wireToJsonBytes } from "chatpb";
import {
  Conversion,
  type Convert,
  type Outcome,
  OutcomeSchema,
  type Response,
  ResponseSchema,
} from "../gen/conformance_pb.js";

export function convert(request: Convert): Response {
  return create(ResponseSchema, { outcomes: request.inputs.map((input) => outcome(() => output(request, input))) });
}

function output({ conversion, type, skipUnknown }: Convert, input: Uint8Array): Uint8Array {
  switch (conversion) {
    case Conversion.JSON_TO_WIRE:
      return jsonToWire(input, type);
    case Conversion.WIRE_TO_JSON:
      return wireToJsonBytes(input, type, { unknownFields: skipUnknown ? "skip" : "error" });
    case Conversion.VALIDATE:
      return Buffer.from(JSON.stringify(validate(input, type)));
    case Conversion.ACCUMULATE: {
      const accumulator = new Accumulator();
      for (let start = 0, end = 0; end < input.length; start = end + 1) {
        end = input.indexOf(10, start);
        end = end < 0 ? input.length : end;
        accumulator.addJson(input.subarray(start, end));
      }
      return Buffer.from(accumulator.toJson());
    }
    default:
      throw new Error(`no such conversion: ${conversion}`);
  }
}

function outcome(work: () => Uint8Array): Outcome {
  try {
    return create(OutcomeSchema, { output: work() });
  } catch (error) {
    if (error instanceof JsonError) {
      const { code, path, line, column, offset, reason } = error;
      const place = { line: BigInt(line), column: BigInt(column), offset: BigInt(offset) };
      return create(OutcomeSchema, { refusal: { code, path, ...place, reason } });
    }
    if (error instanceof WireError) {
      const { code, path, offset, reason } = error;
      return create(OutcomeSchema, { refusal: { code, path, offset: BigInt(offset), reason } });
    }
    throw error;
  }
}
