// Prints how long a program waits for the package, and then for its first document, in milliseconds.

const start = performance.now();
const { jsonToWire } = await import("../src/index.js");
const imported = performance.now();
jsonToWire('{"id":"x"}');
console.log(JSON.stringify([imported - start, performance.now() - imported]));
