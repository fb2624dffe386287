//! Streams of chunks: put together into a completion and split from one, on their JSON; compact and whole, on their wire
//! bytes.

pub mod accumulate;
pub mod compact;
pub mod rules;
pub mod split;
mod value;
