//! The conversions of one message type.

use crate::buffers::{Buffers, UTF_8, owned, text, with_buffers};
use crate::error::{Error, Result, Violation};
use chatpb_core::{EncodeOptions, Encoder, Origin, PrintOptions, PrintPlan, Printer, Schema};
use std::sync::{Arc, LazyLock};

const COMPLETION: &str = "chatcompletion.v1.ChatCompletion";
const CHUNK: &str = "chatcompletion.v1.ChatCompletionChunk";

/// What a codec does beyond the mapping's defaults. All are off unless set; later versions may have more:
///
/// ```
/// use chatpb::{Codec, Options};
///
/// let codec = Codec::completion().with(Options { strict: true, ..Options::default() });
/// assert!(codec.json_to_wire(r#"{"id": 1}"#).is_err());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// To wire: the same document gives the same bytes, whatever the order of its members.
    pub canonical: bool,
    /// Both ways: accept NaN and the infinities, which are not JSON.
    pub nonfinite: bool,
    /// To wire: a document that breaks the contract so that typed readers fail is an [`Error::Contract`].
    /// [`Codec::validate`] returns only such violations.
    pub strict: bool,
    /// To JSON: print a required member that is absent, as null if it may be null, else as an empty array or object.
    pub fill_required: bool,
    /// To JSON, and of streams: leave out fields that the contract does not have, which are an [`Error::Wire`] otherwise.
    pub skip_unknown: bool,
}

/// Converts documents of one message type, with some [`Options`].
///
/// To clone one costs next to nothing, and threads may share one.
#[derive(Debug, Clone)]
pub struct Codec {
    plan: Arc<PrintPlan>,
    options: Options,
}

impl Codec {
    /// Return the codec of a completion, `chatcompletion.v1.ChatCompletion`.
    pub fn completion() -> &'static Codec {
        static CODEC: LazyLock<Codec> = LazyLock::new(|| Codec::new(COMPLETION).expect("a type of the contract"));
        &CODEC
    }

    /// Return the codec of a stream's chunk, `chatcompletion.v1.ChatCompletionChunk`.
    pub fn chunk() -> &'static Codec {
        static CODEC: LazyLock<Codec> = LazyLock::new(|| Codec::new(CHUNK).expect("a type of the contract"));
        &CODEC
    }

    /// Make the codec of a type of the contract by its full name, such as
    /// `chatcompletion.v1.CreateChatCompletionRequest`. That takes some time: keep it.
    ///
    /// # Errors
    ///
    /// [`Error::Schema`] if there is no such type.
    pub fn new(type_name: &str) -> Result<Codec> {
        Codec::of_descriptors(chatpb_core::contract(), type_name)
    }

    /// Make the codec of a type of your own contract by its full name, without a dot in front.
    ///
    /// The descriptor set holds the file of the type and all that it imports, as `protoc --include_imports
    /// --descriptor_set_out` and protox write them.
    ///
    /// # Errors
    ///
    /// [`Error::Schema`] if the set is malformed or lacks the type, or the mapping cannot hold it.
    pub fn of_descriptors(descriptor_set: &[u8], type_name: &str) -> Result<Codec> {
        let plan = Arc::new(PrintPlan::new(Schema::new(descriptor_set, type_name)?));
        Ok(Codec { plan, options: Options::default() })
    }

    /// Return this codec with other options.
    #[must_use]
    pub fn with(&self, options: Options) -> Codec {
        Codec { plan: Arc::clone(&self.plan), options }
    }

    /// Return the options.
    pub fn options(&self) -> Options {
        self.options
    }

    /// Return the full name of the message type.
    pub fn type_name(&self) -> &str {
        &self.schema().messages[0].full_name
    }

    /// Return the wire bytes of the message that the text of a JSON object stands for.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] for text that is not acceptable JSON, [`Error::Contract`] for what [`Options::strict`] refuses.
    pub fn json_to_wire(&self, json: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        with_buffers(|Buffers { encoder, wire, .. }| {
            self.encode(encoder, json.as_ref(), wire)?;
            Ok(owned(wire))
        })
    }

    /// Append the wire bytes of a JSON object to a vector, which stays as it is after an error.
    ///
    /// # Errors
    ///
    /// Those of [`Codec::json_to_wire`].
    pub fn append_wire(&self, json: impl AsRef<[u8]>, out: &mut Vec<u8>) -> Result<()> {
        with_buffers(|buffers| self.encode(&mut buffers.encoder, json.as_ref(), out))
    }

    /// Return the JSON text of an encoded message.
    ///
    /// # Errors
    ///
    /// [`Error::Wire`] for bytes that are no valid encoding, that hold what JSON cannot, or that have a field of a newer
    /// contract, unless [`Options::skip_unknown`] is set.
    pub fn wire_to_json(&self, wire: impl AsRef<[u8]>) -> Result<String> {
        with_buffers(|Buffers { printer, json, .. }| {
            self.print(printer, wire.as_ref(), json)?;
            Ok(text(json))
        })
    }

    /// Append the JSON text of an encoded message, in UTF-8, to a vector, which stays as it is after an error.
    ///
    /// # Errors
    ///
    /// Those of [`Codec::wire_to_json`].
    pub fn append_json(&self, wire: impl AsRef<[u8]>, out: &mut Vec<u8>) -> Result<()> {
        with_buffers(|buffers| self.print(&mut buffers.printer, wire.as_ref(), out))
    }

    /// Return every way in which an encoded message breaks the contract, in the contract's order: at most 1,000. With
    /// [`Options::strict`], only what makes typed readers fail.
    ///
    /// # Errors
    ///
    /// [`Error::Wire`] for bytes that are no valid encoding.
    pub fn validate(&self, wire: impl AsRef<[u8]>) -> Result<Vec<Violation>> {
        let violations = chatpb_core::validate(self.schema(), wire.as_ref(), self.options.strict)?;
        Ok(violations.into_iter().map(Violation::from).collect())
    }

    /// Return the wire bytes of each line of JSON text, each after its length as a varint, which [`delimited_messages`]
    /// takes apart. Lines of whitespace alone are skipped.
    ///
    /// `threads` is the most threads to use, 0 for one for each processor.
    ///
    /// # Errors
    ///
    /// [`Error::Json`], whose line and offset count from the start of the input; [`Error::Contract`] for what
    /// [`Options::strict`] refuses, whose paths start with the place of the message.
    pub fn json_lines_to_wire(&self, lines: impl AsRef<[u8]>, threads: usize) -> Result<Vec<u8>> {
        let (lines, options, threads) = (lines.as_ref(), self.encode_options(), threads_of(threads));
        let strict = self.options.strict;
        let written = chatpb_core::json_lines_to_wire(self.schema(), lines, options, strict, threads, &mut [])?;
        Ok(written.overflow.concat())
    }

    /// Return the JSON text of each message, each with a newline behind it. The messages stand each after its length as a
    /// varint. `threads` is the most threads to use, 0 for one for each processor.
    ///
    /// # Errors
    ///
    /// [`Error::Wire`], whose offset counts from the start of the input.
    pub fn wire_to_json_lines(&self, messages: impl AsRef<[u8]>, threads: usize) -> Result<String> {
        let (messages, threads) = (messages.as_ref(), threads_of(threads));
        let written = chatpb_core::wire_to_json_lines(&self.plan, messages, self.print_options(), threads, &mut [])?;
        Ok(String::from_utf8(written.overflow.concat()).expect(UTF_8))
    }

    pub(crate) fn plan(&self) -> &PrintPlan {
        &self.plan
    }

    pub(crate) fn schema(&self) -> &Schema {
        self.plan.schema()
    }

    /// Append the wire bytes of a JSON object.
    pub(crate) fn encode(&self, encoder: &mut Encoder, json: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let used = out.len();
        encoder.append(self.schema(), json, self.encode_options(), out).map_err(|error| *error)?;
        if self.options.strict {
            let violations = encoder.violations(self.schema(), &out[used..])?;
            if !violations.is_empty() {
                out.truncate(used);
                return Err(Error::from(violations));
            }
        }
        Ok(())
    }

    /// Append the JSON text of an encoded message.
    pub(crate) fn print(&self, printer: &mut Printer, wire: &[u8], out: &mut Vec<u8>) -> Result<()> {
        Ok(printer.append(&self.plan, wire, self.print_options(), out).map_err(|error| *error)?)
    }

    pub(crate) fn encode_options(&self) -> EncodeOptions {
        let Options { canonical, nonfinite, .. } = self.options;
        EncodeOptions { canonical, nonfinite, origin: Origin::Bytes }
    }

    pub(crate) fn print_options(&self) -> PrintOptions {
        let Options { nonfinite, fill_required, skip_unknown, .. } = self.options;
        PrintOptions { nonfinite, fill_required, refuse_unknown: !skip_unknown }
    }
}

/// Return the messages that bytes consist of, each after its length as a varint.
///
/// # Errors
///
/// [`Error::Wire`] for a message that is cut short.
pub fn delimited_messages(bytes: &[u8]) -> Result<Vec<&[u8]>> {
    Ok(chatpb_core::messages_of(bytes)?)
}

fn threads_of(threads: usize) -> usize {
    match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        _ => threads,
    }
}
