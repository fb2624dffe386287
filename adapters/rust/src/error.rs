//! The errors, worded as those of the Python library.

use chatpb_core::LinesError;
use std::fmt::{self, Display, Formatter};
use std::io;

/// Violations that the text of an error lists.
const SHOWN_VIOLATIONS: usize = 20;

/// What this crate's functions return.
pub type Result<T> = std::result::Result<T, Error>;

/// Why there is no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Text is not acceptable JSON: RFC 8259, and the limits of the mapping.
    Json(JsonError),
    /// Bytes are not a valid protobuf encoding, or hold what JSON cannot.
    Wire(WireError),
    /// A document breaks the contract, and [`Options::strict`](crate::Options::strict) is set. These are the violations
    /// found, in the contract's order, but those that `strict` lets pass.
    Contract(Vec<Violation>),
    /// Descriptors are malformed, lack the message type, or describe what the mapping cannot hold.
    Schema(SchemaError),
    /// An event stream cannot be read further.
    Stream(StreamError),
    /// The sender reports an error in the stream. This is the data of that event, usually the JSON text of an error
    /// response.
    Event(Vec<u8>),
    /// The bytes of a stream cannot be read.
    Io(io::Error),
    /// prost cannot read a message that is a valid encoding, such as one that is too deep for it.
    #[cfg(feature = "prost")]
    Message(prost::DecodeError),
}

/// Text that is not acceptable JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JsonError {
    /// JSON Pointer (RFC 6901) of the value being read; "" is the document itself.
    pub path: String,
    /// The line of the character where the text is wrong, from 1.
    pub line: usize,
    /// The column of that character in code points, from 1.
    pub column: usize,
    /// The offset of that character in bytes of UTF-8, from 0.
    pub offset: usize,
    /// What is wrong, in one sentence.
    pub reason: String,
}

/// Bytes that are not a valid protobuf encoding, or hold what JSON cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WireError {
    /// JSON Pointer (RFC 6901) of the message being read; "" is the outermost one.
    pub path: String,
    /// The offset in bytes of the field that is wrong, from the start of the input.
    pub offset: usize,
    /// What is wrong, in one sentence.
    pub reason: String,
}

/// One way in which a message breaks the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// JSON Pointer (RFC 6901) of the member.
    pub path: String,
    /// The id of the broken rule, from the list in docs/mapping.md.
    pub rule: &'static str,
    /// What is wrong, in one sentence. It names types and members, but never a value.
    pub message: String,
}

/// Descriptors that are malformed or lack a type, or a type that the mapping cannot hold. It has the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaError(pub String);

/// Why an event stream cannot be read further.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamError {
    /// An event has more bytes than this limit.
    TooLarge(usize),
    /// An event is not a chunk.
    NotAChunk(JsonError),
    /// The stream ends inside an event.
    CutShort(JsonError),
}

impl Error {
    /// Return what kind of error it is: "json", "wire", "contract", "schema", "stream", "event", "io" or "message".
    pub fn code(&self) -> &'static str {
        match self {
            Error::Json(_) => "json",
            Error::Wire(_) => "wire",
            Error::Contract(_) => "contract",
            Error::Schema(_) => "schema",
            Error::Stream(_) => "stream",
            Error::Event(_) => "event",
            Error::Io(_) => "io",
            #[cfg(feature = "prost")]
            Error::Message(_) => "message",
        }
    }

    /// Return the JSON Pointer (RFC 6901) of the value or message being read; "" is the document itself.
    pub fn path(&self) -> Option<&str> {
        match self {
            Error::Wire(error) => Some(&error.path),
            _ => self.json().map(|error| error.path.as_str()),
        }
    }

    /// Return the line of the character where the text is wrong, from 1.
    pub fn line(&self) -> Option<usize> {
        self.json().map(|error| error.line)
    }

    /// Return the column of that character in code points, from 1.
    pub fn column(&self) -> Option<usize> {
        self.json().map(|error| error.column)
    }

    /// Return the offset in bytes of that character, or of the field that is wrong, from the start of the input.
    pub fn offset(&self) -> Option<usize> {
        match self {
            Error::Wire(error) => Some(error.offset),
            _ => self.json().map(|error| error.offset),
        }
    }

    /// Return the error of the text, which may be that of an event.
    fn json(&self) -> Option<&JsonError> {
        match self {
            Error::Json(error) | Error::Stream(StreamError::NotAChunk(error) | StreamError::CutShort(error)) => {
                Some(error)
            }
            _ => None,
        }
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Error::Json(error) => error.fmt(f),
            Error::Wire(error) => error.fmt(f),
            Error::Contract(violations) => contract(violations, f),
            Error::Schema(error) => error.fmt(f),
            Error::Stream(error) => error.fmt(f),
            Error::Event(_) => f.write_str("the stream reports an error"),
            Error::Io(error) => write!(f, "the stream cannot be read: {error}"),
            #[cfg(feature = "prost")]
            Error::Message(error) => write!(f, "prost cannot read the message: {error}"),
        }
    }
}

impl Display for JsonError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let JsonError { path, line, column, offset, reason } = self;
        write!(f, "{reason} at line {line}, column {column} (byte {offset})")?;
        within(path, f)
    }
}

impl Display for WireError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.reason, self.offset)?;
        within(&self.path, f)
    }
}

fn within(path: &str, f: &mut Formatter<'_>) -> fmt::Result {
    if path.is_empty() { Ok(()) } else { write!(f, ", in {path}") }
}

impl Display for Violation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "document" } else { &self.path };
        write!(f, "{path}: {} [{}]", self.message, self.rule)
    }
}

impl Display for SchemaError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JsonError {}
impl std::error::Error for WireError {}
impl std::error::Error for SchemaError {}

impl Display for StreamError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            StreamError::TooLarge(limit) => write!(f, "an event of more than {limit} bytes, the limit"),
            StreamError::NotAChunk(error) => write!(f, "an event that is not a chunk: {error}"),
            StreamError::CutShort(_) => f.write_str("the stream ends inside an event"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Stream(error) => error.source(),
            Error::Io(error) => Some(error),
            #[cfg(feature = "prost")]
            Error::Message(error) => Some(error),
            _ => None,
        }
    }
}

impl std::error::Error for StreamError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StreamError::TooLarge(_) => None,
            StreamError::NotAChunk(error) | StreamError::CutShort(error) => Some(error),
        }
    }
}

fn contract(violations: &[Violation], f: &mut Formatter<'_>) -> fmt::Result {
    let count = violations.len();
    write!(f, "{count} violation{} of the contract: ", if count == 1 { "" } else { "s" })?;
    for (place, violation) in violations.iter().take(SHOWN_VIOLATIONS).enumerate() {
        write!(f, "{}{violation}", if place > 0 { "; " } else { "" })?;
    }
    match count.checked_sub(SHOWN_VIOLATIONS) {
        Some(more @ 1..) => write!(f, "; and {more} more"),
        _ => Ok(()),
    }
}

impl From<chatpb_core::JsonError> for Error {
    fn from(error: chatpb_core::JsonError) -> Error {
        let chatpb_core::JsonError { path, line, column, offset, reason } = error;
        Error::Json(JsonError { path, line, column, offset, reason })
    }
}

impl From<chatpb_core::WireError> for Error {
    fn from(error: chatpb_core::WireError) -> Error {
        let chatpb_core::WireError { path, offset, reason } = error;
        Error::Wire(WireError { path, offset, reason })
    }
}

impl From<chatpb_core::SchemaError> for Error {
    fn from(error: chatpb_core::SchemaError) -> Error {
        let (chatpb_core::SchemaError::Malformed(reason) | chatpb_core::SchemaError::Unmappable(reason)) = error;
        Error::Schema(SchemaError(reason))
    }
}

impl From<chatpb_core::Violation> for Violation {
    fn from(violation: chatpb_core::Violation) -> Violation {
        let chatpb_core::Violation { path, rule, message } = violation;
        Violation { path, rule, message }
    }
}

impl From<Vec<chatpb_core::Violation>> for Error {
    fn from(violations: Vec<chatpb_core::Violation>) -> Error {
        Error::Contract(violations.into_iter().map(Violation::from).collect())
    }
}

impl From<LinesError> for Error {
    fn from(error: LinesError) -> Error {
        match error {
            LinesError::Json(error) => error.into(),
            LinesError::Contract(violations) => violations.into(),
            LinesError::Wire(error) => error.into(),
        }
    }
}

impl From<StreamError> for Error {
    fn from(error: StreamError) -> Error {
        Error::Stream(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Io(error)
    }
}

#[cfg(feature = "prost")]
impl From<prost::DecodeError> for Error {
    fn from(error: prost::DecodeError) -> Error {
        Error::Message(error)
    }
}
