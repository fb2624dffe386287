//! What a call came to, as `chatpb.h` lays it out.

use chatpb_core::{JsonError, SchemaError, WireError};

/// The code of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Code {
    Ok = 0,
    Json = 1,
    Wire = 2,
    Descriptor = 3,
    Schema = 4,
    Argument = 5,
    Busy = 6,
    Internal = 7,
    Contract = 8,
    End = 9,
}

/// `chatpb_result`: addresses take 8 bytes on every machine.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Result {
    pub data: u64,
    pub size: u64,
    pub path: u64,
    pub path_size: u64,
    pub reason: u64,
    pub reason_size: u64,
    pub line: u64,
    pub column: u64,
    pub offset: u64,
    pub code: u32,
    pub reserved: u32,
}

/// Why a call has no result. It is kept where the caller's result can point to its strings.
#[derive(Debug)]
pub enum Failure {
    Error(Error),
    /// The violations of a document, as JSON.
    Violations(Vec<u8>),
}

#[derive(Debug)]
pub struct Error {
    code: Code,
    path: String,
    reason: String,
    line: usize,
    column: usize,
    offset: usize,
}

impl Failure {
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        Failure::Error(Error { code, path: String::new(), reason: reason.into(), line: 0, column: 0, offset: 0 })
    }

    #[cold]
    pub fn defect() -> Self {
        Failure::new(Code::Internal, "a defect of chatpb")
    }
}

impl From<JsonError> for Failure {
    fn from(error: JsonError) -> Self {
        let JsonError { path, line, column, offset, reason } = error;
        Failure::Error(Error { code: Code::Json, path, reason, line, column, offset })
    }
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        let WireError { path, offset, reason } = error;
        Failure::Error(Error { code: Code::Wire, path, reason, line: 0, column: 0, offset })
    }
}

impl From<SchemaError> for Failure {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Malformed(reason) => Failure::new(Code::Descriptor, reason),
            SchemaError::Unmappable(reason) => Failure::new(Code::Schema, reason),
        }
    }
}

impl Result {
    /// The result of a call that did what it was asked for.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let (data, size) = place(bytes);
        Result { data, size, ..Result::default() }
    }

    /// The result of a call that failed. It points into the failure.
    pub fn of_failure(failure: &Failure) -> Self {
        let error = match failure {
            Failure::Violations(json) => return Result { code: Code::Contract as u32, ..Result::of_bytes(json) },
            Failure::Error(error) => error,
        };
        let (path, path_size) = place(error.path.as_bytes());
        let (reason, reason_size) = place(error.reason.as_bytes());
        Result {
            path,
            path_size,
            reason,
            reason_size,
            line: error.line as u64,
            column: error.column as u64,
            offset: error.offset as u64,
            code: error.code as u32,
            ..Result::default()
        }
    }
}

fn place(bytes: &[u8]) -> (u64, u64) {
    (bytes.as_ptr().expose_provenance() as u64, bytes.len() as u64)
}
