//! Memory for results, which is written in whole words and blocks.

pub mod huge_pages;
pub mod output;
