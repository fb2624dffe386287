// Stands in for the file of the package that fetches the WebAssembly module: this page may not connect to anything.

import bytes from "../../abi/chatpb.wasm";

export const compiled = new WebAssembly.Module(bytes);
