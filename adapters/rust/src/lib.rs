//! OpenAI-style chat completions in Protocol Buffers and back to JSON, losing nothing.
//!
//! A [`Codec`] converts between the JSON text and the wire bytes of one message type:
//!
//! ```
//! let codec = chatpb::Codec::completion();
//! let wire = codec.json_to_wire(r#"{"id":"c1","usage":null,"x_groq":{"id":"r1"}}"#)?;
//! assert_eq!(codec.wire_to_json(&wire)?, r#"{"id":"c1","usage":null,"x_groq":{"id":"r1"}}"#);
//! # Ok::<(), chatpb::Error>(())
//! ```
//!
//! - [`Options`] are part of a codec: [`Codec::with`].
//! - Streams: [`read_chunks`] reads server-sent events, an [`Accumulator`] puts chunks together, [`split`] cuts a
//!   completion into chunks.
//! - Every error is an [`Error`], with a path and a position where there is one.
//! - Every type may be shared between threads. Each thread keeps buffers of its own.
#![cfg_attr(
    feature = "prost",
    doc = "- [`from_json`] and [`to_json`] convert messages of prost. **prost drops fields that it does not know**: where",
    doc = "  messages may come from a newer contract, pass their bytes on, not messages."
)]
#![cfg_attr(not(feature = "prost"), doc = "- The feature `prost` has functions for messages of prost.")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod buffers;
mod codec;
mod error;
#[cfg(feature = "prost")]
mod messages;
mod sse;
mod streams;

pub use codec::{Codec, Options, delimited_messages};
pub use error::{Error, JsonError, Result, SchemaError, StreamError, Violation, WireError};
#[cfg(feature = "prost")]
pub use messages::{from_json, from_json_with, to_json, to_json_with};
pub use sse::{ChunkReader, Chunks, MAX_EVENT, read_chunks};
pub use streams::{Accumulator, SplitOptions, Splitter, split};

/// The programs of the guide, which run as tests.
#[cfg(all(doctest, feature = "prost"))]
#[doc = include_str!("../../../docs/languages/rust.md")]
struct Guide;
