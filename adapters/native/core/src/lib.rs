//! JSON text to protobuf wire bytes and back, driven by the tables of a message's schema.
//!
//! The same mapping, byte for byte, as that of the Python engine `chatpb/_python`, which is its reference. Both
//! directions have two halves: a quick one that only notices *that* something is wrong or unusual, and an exact one
//! that then reads the input again and says what is wrong and where.

mod array;
mod base64;
mod check;
mod digits;
mod encode;
mod end;
mod error;
mod json;
mod lend;
mod limits;
mod lines;
mod number;
mod out;
mod pages;
mod plan;
mod print;
mod print_items;
mod print_message;
mod print_open;
mod print_string;
mod print_tree;
mod print_value;
mod project;
mod scan;
mod schema;
mod sheet;
mod source;
mod split;
mod spread;
mod stream;
mod strings;
mod text;
mod tree;
mod wire;

pub use array::{
    Rows, compact_records, expand_records, fields_of_rows, json_to_wire_rows, messages_of_rows, rows_of,
    rows_of_messages, wire_to_json_rows,
};
pub use encode::{EncodeOptions, Encoder, Origin};
pub use end::Room;
pub use error::{JsonError, WireError};
pub use lines::{json_lines_to_wire, whole_messages, wire_to_json_lines};
pub use pages::{before_writing, write_copy};
pub use print::{PrintOptions, Printer};
pub use project::{Column, ProjectError, Projection};
pub use schema::Schema;
pub use spread::Written;
pub use stream::{compact_stream, expand_stream};
