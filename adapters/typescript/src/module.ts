// The WebAssembly module, compiled when this file is first imported. It lies beside this file: bundlers that know
// `new URL(..., import.meta.url)` copy it to where it is found.

async function load(): Promise<WebAssembly.Module> {
  const url = new URL("./chatpb.wasm", import.meta.url);
  if (url.protocol === "file:" && typeof process === "object" && process.versions?.node !== undefined) {
    const { readFile } = await import("node:fs/promises");
    return WebAssembly.compile(new Uint8Array(await readFile(url)));
  }
  const response = await fetch(url);
  if (!response.ok) {
    throw new Error(`chatpb.wasm cannot be loaded from ${url}: HTTP status ${response.status}`);
  }
  return WebAssembly.compile(await response.arrayBuffer());
}

export const compiled: WebAssembly.Module = await load();
