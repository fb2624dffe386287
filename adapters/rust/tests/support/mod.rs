//! The golden vectors, and documents of the tests.

#![allow(dead_code)] // each test file uses what it needs

use std::fs;
use std::path::Path;

pub struct Vector {
    pub name: String,
    /// The full name of the message type.
    pub message: String,
    /// Some vectors are of wire bytes that no document gives.
    pub input: Option<Vec<u8>>,
    pub wire: Vec<u8>,
    pub expected: String,
}

pub fn vectors() -> Vec<Vector> {
    let mut folders: Vec<_> =
        fs::read_dir(tests().join("vectors")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() > 100);
    folders.iter().map(|folder| read_vector(folder)).collect()
}

fn read_vector(folder: &Path) -> Vector {
    let case: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("case.json")).unwrap()).unwrap();
    Vector {
        name: folder.file_name().unwrap().to_str().unwrap().to_owned(),
        message: case["message"].as_str().unwrap().to_owned(),
        input: fs::read(folder.join("input.json")).ok(),
        wire: fs::read(folder.join("wire.binpb")).unwrap(),
        expected: fs::read_to_string(folder.join("expected.json")).unwrap(),
    }
}

/// Return the lines of a file of the tests' corpus: "completion", "chunk" or "request".
pub fn corpus(kind: &str) -> Vec<String> {
    let lines = fs::read_to_string(tests().join(format!("corpus/{kind}.jsonl"))).unwrap();
    lines.lines().map(str::to_owned).collect()
}

fn tests() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests")
}
