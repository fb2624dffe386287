// What the page asks of its worker, and what that answers.

import type { Document, Row } from "./documents.js";

/** Each question has the number of the input that it is about. Answers about an earlier input are late, and dropped. */
export type Question = { readonly input: number } & (
  | { readonly kind: "open"; readonly bytes: Uint8Array<ArrayBuffer>; readonly name: string; readonly type: string | undefined }
  | { readonly kind: "show"; readonly index: number }
  | { readonly kind: "edit"; readonly index: number; readonly json: Uint8Array }
  | { readonly kind: "retype"; readonly index: number; readonly type: string }
);

export type Answer = { readonly input: number } & (
  | { readonly kind: "rows"; readonly rows: readonly Row[]; readonly form: string; readonly bytes: Uint8Array<ArrayBuffer> | undefined; readonly isWire: boolean; readonly read: number; readonly isDone: boolean }
  | { readonly kind: "shown"; readonly index: number; readonly row: Row | undefined; readonly document: Document }
  | { readonly kind: "late" }
  | { readonly kind: "failed"; readonly reason: string }
);
