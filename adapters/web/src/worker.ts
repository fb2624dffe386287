// Reads documents beside the page. A large input is read in slices, so that questions are answered between them.

import { ChatpbError } from "chatpb";
import { Documents, type Row } from "./documents.js";
import { cut } from "./input.js";
import type { Answer, Question } from "./protocol.js";

/** Milliseconds of a slice. */
const SLICE = 25;

const scope = self as unknown as { onmessage: (event: MessageEvent<Question>) => void; postMessage: (answer: Answer) => void };
let current = -1;
let documents: Documents | undefined;

/** Wait until the messages that have arrived are answered. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

async function open({ input: number, bytes, name, type }: Question & { kind: "open" }): Promise<void> {
  const input = cut(bytes, name);
  const found = (documents = new Documents(input, type));
  let rows: Row[] = [];
  let until = performance.now() + SLICE;
  let read = 0;
  // Events are other bytes than the input's.
  let made = input.bytes === bytes ? undefined : input.bytes;
  const answer = (isDone: boolean): void => {
    scope.postMessage({ kind: "rows", input: number, rows, bytes: made, form: input.form, isWire: input.isWire, read, isDone });
    [rows, made] = [[], undefined];
  };
  for (const row of found.rows()) {
    read += 1;
    if (row !== undefined) {
      rows.push(row);
    }
    if (performance.now() > until) {
      answer(false);
      await turn();
      if (current !== number) {
        scope.postMessage({ kind: "late", input: number });
        return;
      }
      until = performance.now() + SLICE;
    }
  }
  answer(true);
}

function fail(input: number, error: unknown): void {
  const reason = error instanceof ChatpbError ? error.message : `a defect of this page: ${String(error)}`;
  scope.postMessage({ kind: "failed", input, reason });
}

function answer(question: Question): void {
  if (question.kind === "open") {
    current = question.input;
    void open(question).catch((error: unknown) => fail(question.input, error));
    return;
  }
  const { input, index } = question;
  if (input !== current || documents === undefined) {
    scope.postMessage({ kind: "late", input });
    return;
  }
  const row =
    question.kind === "edit"
      ? documents.edit(index, question.json)
      : question.kind === "retype"
        ? documents.retype(index, question.type)
        : undefined;
  const found = documents.show(index);
  // A part of a large input is sent as a copy: with the part would go the whole.
  const document = { ...found, json: found.json?.slice(), wire: found.wire?.slice() };
  scope.postMessage({ kind: "shown", input, index, row, document });
}

scope.onmessage = ({ data }) => {
  try {
    answer(data);
  } catch (error) {
    fail(data.input, error);
  }
};
