//! JSON text: its tokens, strings and numbers, read and written.

pub mod check;
pub mod fail;
pub mod kind;
pub mod member_names;
pub mod normalize;
pub mod number;
pub mod padded_text;
pub mod pointer;
pub mod print_number;
pub mod strings;
pub mod tokenizer;
