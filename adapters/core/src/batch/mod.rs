//! Many documents in one call, by several threads: JSON lines, rows of Arrow arrays, and columns read from messages.

pub mod arrow_rows;
pub mod columns;
pub mod lines;
pub mod parallel;
