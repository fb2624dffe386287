//! Chunks of a stream put together into a completion, and a completion cut into chunks.

use crate::buffers::{Buffers, owned, text, with_buffers};
use crate::codec::Codec;
use crate::error::Result;
use chatpb_core::{PrintOptions, StreamAccumulator, StreamRules, StreamSplitter};
use std::num::NonZero;
use std::sync::Arc;

/// What a message prints as.
const OBJECT: &str = "a message prints as an object";

/// Puts chunks together: takes them one by one, and returns the completion so far at any moment. A chunk that is an error
/// adds nothing.
///
/// ```
/// let mut accumulator = chatpb::Accumulator::default();
/// accumulator.add_json(r#"{"choices":[{"index":0,"delta":{"content":"Hel"}}]}"#)?;
/// accumulator.add_json(r#"{"choices":[{"index":0,"delta":{"content":"lo"}}]}"#)?;
/// assert_eq!(accumulator.to_json()?, r#"{"choices":[{"index":0,"message":{"content":"Hello"}}]}"#);
/// # Ok::<(), chatpb::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Accumulator {
    completion: Codec,
    chunk: Codec,
    stream: StreamAccumulator,
}

impl Default for Accumulator {
    /// Make an accumulator of the contract's chunks.
    fn default() -> Accumulator {
        Accumulator::new(Codec::completion(), Codec::chunk())
    }
}

impl Accumulator {
    /// Make an accumulator of the chunks of one codec, which become a completion of the other: codecs with options, which
    /// should be the same, or of your own contract.
    pub fn new(completion: &Codec, chunk: &Codec) -> Accumulator {
        let stream = StreamAccumulator::new(Arc::new(StreamRules::new(chunk.schema())));
        Accumulator { completion: completion.clone(), chunk: chunk.clone(), stream }
    }

    /// Add the next chunk, given its JSON text.
    ///
    /// # Errors
    ///
    /// Those of [`Codec::json_to_wire`], of the codec of chunks.
    pub fn add_json(&mut self, json: impl AsRef<[u8]>) -> Result<()> {
        with_buffers(|buffers| {
            self.chunk.encode(&mut buffers.encoder, json.as_ref(), &mut buffers.wire)?;
            let wire = std::mem::take(&mut buffers.wire);
            let added = self.add(buffers, &wire);
            buffers.wire = wire;
            added
        })
    }

    /// Add the next chunk, given its wire bytes.
    ///
    /// # Errors
    ///
    /// Those of [`Codec::wire_to_json`], of the codec of chunks.
    pub fn add_wire(&mut self, wire: impl AsRef<[u8]>) -> Result<()> {
        with_buffers(|buffers| self.add(buffers, wire.as_ref()))
    }

    fn add(&mut self, Buffers { printer, json, .. }: &mut Buffers, wire: &[u8]) -> Result<()> {
        // A member that the chunk lacks would come into the completion.
        let options = PrintOptions { fill_required: false, ..self.chunk.print_options() };
        printer.append(self.chunk.plan(), wire, options, json).map_err(|error| *error)?;
        let is_object = self.stream.add(json);
        assert!(is_object, "{OBJECT}");
        Ok(())
    }

    /// Return the wire bytes of the completion so far. To get it takes time by its size.
    ///
    /// # Errors
    ///
    /// Those of [`Codec::json_to_wire`], of the codec of completions: a type of its own may lack a home for a member.
    pub fn to_wire(&self) -> Result<Vec<u8>> {
        with_buffers(|Buffers { encoder, wire, .. }| {
            self.completion.encode(encoder, &self.stream.json(), wire)?;
            Ok(owned(wire))
        })
    }

    /// Return the JSON text of the completion so far. To get it takes time by its size.
    ///
    /// # Errors
    ///
    /// Those of [`Accumulator::to_wire`].
    pub fn to_json(&self) -> Result<String> {
        with_buffers(|Buffers { encoder, printer, wire, json }| {
            self.completion.encode(encoder, &self.stream.json(), wire)?;
            self.completion.print(printer, wire, json)?;
            Ok(text(json))
        })
    }
}

/// How a completion is cut into chunks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SplitOptions {
    /// Characters of text in each chunk; a word in each unless given.
    pub characters: Option<NonZero<usize>>,
    /// Leave out the members that come at the end of a stream, such as the usage.
    pub without_usage: bool,
}

/// Yields the wire bytes of a completion's chunks.
#[derive(Debug)]
pub struct Splitter {
    chunk: Codec,
    chunks: StreamSplitter,
}

/// Cut a completion of the contract into chunks, given its wire bytes. An [`Accumulator`] puts them together again.
///
/// # Errors
///
/// Those of [`Codec::wire_to_json`].
pub fn split(wire: impl AsRef<[u8]>, options: SplitOptions) -> Result<Splitter> {
    Splitter::new(Codec::completion(), Codec::chunk(), wire, options)
}

impl Splitter {
    /// Cut a completion of one codec into chunks of the other: codecs with options, or of your own contract.
    ///
    /// # Errors
    ///
    /// Those of [`Codec::wire_to_json`], of the codec of completions.
    pub fn new(completion: &Codec, chunk: &Codec, wire: impl AsRef<[u8]>, options: SplitOptions) -> Result<Splitter> {
        let size = options.characters.map(NonZero::get);
        let chunks = with_buffers(|Buffers { printer, json, .. }| {
            completion.print(printer, wire.as_ref(), json)?;
            Result::Ok(StreamSplitter::new(&StreamRules::new(chunk.schema()), json, size, !options.without_usage))
        })?;
        Ok(Splitter { chunk: chunk.clone(), chunks: chunks.expect(OBJECT) })
    }
}

impl Iterator for Splitter {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Result<Vec<u8>>> {
        self.chunks.next().map(|json| self.chunk.json_to_wire(json))
    }
}

impl Codec {
    /// Return the wire bytes of the ChatCompletionStream that consists of chunks of this codec's type, given the wire
    /// bytes of each. What all of them have is stored once.
    ///
    /// # Errors
    ///
    /// [`Error::Wire`](crate::Error::Wire), whose path is the place of the chunk, and whose offset counts from the start of
    /// that chunk.
    pub fn compact_stream(&self, chunks: &[impl AsRef<[u8]>]) -> Result<Vec<u8>> {
        let chunks: Vec<&[u8]> = chunks.iter().map(AsRef::as_ref).collect();
        Ok(chatpb_core::compact_stream(self.schema(), &chunks)?)
    }

    /// Return the wire bytes of each chunk of an encoded ChatCompletionStream. Chunks are of this codec's type.
    ///
    /// # Errors
    ///
    /// [`Error::Wire`](crate::Error::Wire) for bytes that are no valid encoding, or that stand for more than 256 MiB of
    /// chunks.
    pub fn expand_stream(&self, stream: impl AsRef<[u8]>) -> Result<Vec<Vec<u8>>> {
        Ok(chatpb_core::expand_stream(self.schema(), stream.as_ref())?)
    }
}
