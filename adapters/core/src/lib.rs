//! JSON text to protobuf wire bytes and back, driven by the schema of a message, which is compiled from descriptors.
//!
//! A `Schema`, and the `PrintPlan` made from it, never change and are shared. Each thread has an `Encoder` and a
//! `Printer`, which keep buffers, and what they guess from one document for the next.
//!
//! The mapping is that of `chatpb/_engine/reference`, byte for byte. Each direction has two halves: a quick one, which
//! only notices *that* something is wrong or unusual; and an exact one, which then reads the input again and says what
//! is wrong, and where.
//!
//! A module uses only modules that come before it here:
//! `scan`, `buffer` and `wire`, `json`, `schema`, `tree`, `validate`, `encode`, `print`, `streams`, `batch`.

mod batch;
mod buffer;
mod encode;
mod error;
mod json;
mod limits;
mod print;
mod scan;
mod schema;
mod streams;
mod tree;
mod validate;
mod wire;

pub use batch::arrow_rows::{
    Rows, compact_records, expand_records, expanded_sizes, fields_of_rows, json_to_wire_rows, messages_of_rows,
    rows_of, rows_of_messages, wire_to_json_rows,
};
pub use batch::columns::{Column, ColumnError, ColumnReader, ColumnType};
pub use batch::lines::{LinesError, json_lines_to_wire, messages_of, whole_messages, wire_to_json_lines};
pub use batch::parallel::{Written, write_copy};
pub use buffer::huge_pages::advise_huge_pages;
pub use buffer::output::GrowableMemory;
pub use encode::{EncodeOptions, Encoder, Origin};
pub use error::{JsonError, Violation, WireError};
pub use limits::{MAX_DEPTH, MAX_KEPT_BUFFER, MAX_SIZE};
pub use print::{PrintOptions, PrintPlan, Printer};
pub use scan::{instruction_set, instruction_sets};
pub use schema::{Schema, SchemaError, contract};
pub use streams::accumulate::StreamAccumulator;
pub use streams::compact::{compact_stream, expand_stream};
pub use streams::rules::StreamRules;
pub use streams::split::StreamSplitter;
pub use validate::validate;

/// The tokens of JSON text, for languages that read and write values of their own.
pub mod json_text {
    pub use crate::json::fail::Fail;
    pub use crate::json::print_number::print_integer;
    pub use crate::json::strings::{quote_and, quote_lone, unescape};
    pub use crate::scan::find_special;
}
