// Package chatpb converts OpenAI-style chat completions between JSON and Protocol Buffers, and loses nothing.
//
// [Unmarshal] and [Marshal] take messages of generated classes, [JSONToWire] and [WireToJSON] wire bytes. Any number of
// goroutines may call them.
//
// The conversion is that of chatpb's core, so that bytes, JSON and errors are those of every other language. The core is written
// in Rust and compiled to WebAssembly, which a translator turned into the Go source in internal/core: no cgo, no code that is
// compiled when a program starts, every platform that Go has. A runtime of WebAssembly would take 200 ms and more of each
// program's start, and be no faster; docs/languages/go.md has the figures.
package chatpb
