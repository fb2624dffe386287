//! Event streams, each whole and in pieces.

use chatpb::{ChunkReader, Codec, Error, StreamError, read_chunks};
use std::io::{self, ErrorKind, Read};

const A: &str = r#"{"id":"1","choices":[]}"#;
const LIMIT: usize = 200;

/// Streams, each with the chunks that it has, and what ends it; "" for its end. `A` stands for a chunk.
fn streams() -> Vec<(&'static str, String, Vec<&'static str>, &'static str)> {
    let sender = "the stream reports an error";
    let large = "an event of more than 200 bytes, the limit";
    let x = "x".repeat(LIMIT - 15);
    vec![
        ("two chunks", format!("data: {A}\n\ndata: {{}}\n\ndata: [DONE]\n\ndata: {{]\n\n"), vec![A, "{}"], ""),
        ("CRLF", format!("data: {A}\r\n\r\ndata: {{}}\r\n\r\n"), vec![A, "{}"], ""),
        ("CR", format!("data: {A}\r\rdata: {{}}\r\r"), vec![A, "{}"], ""),
        ("byte order mark", format!("\u{feff}data: {A}\n\n"), vec![A], ""),
        ("byte order mark before a comment", format!("\u{feff}: c\n\ndata: {A}\n\n"), vec![A], ""),
        ("a mark that is none", format!("\u{fefe}data: {{}}\n\ndata: {A}\n\n"), vec![A], ""),
        ("no space, no end", format!("data:{A}"), vec![A], ""),
        ("one line end", format!("data:{A}\n"), vec![A], ""),
        ("comments and other fields", format!(": up\n\nid: 7\nretry: 1\n: c\ndata: {A}\n\n:"), vec![A], ""),
        ("a comment inside an event", "data: {\"id\":\n:\"x\"\ndata: \"1\"}\n\n".into(), vec![r#"{"id":"1"}"#], ""),
        ("data in lines", "data: {\"id\":\ndata: \"1\",\"choices\":[]}\n\n".into(), vec![A], ""),
        (
            "no data, null, ping",
            format!("event: ping\ndata: {{}}\n\ndata:\n\ndata: null\n\ndata\n\ndata: {A}\n\n"),
            vec![A],
            "",
        ),
        ("another name with choices", format!("event: delta\ndata: {A}\n\n"), vec![A], ""),
        ("the name message", "event: message\ndata: {}\n\nevent:\ndata: {}\n\n".into(), vec!["{}", "{}"], ""),
        ("an error event", format!("data: {A}\n\nevent: error\ndata: {{}}\n\ndata: {A}\n\n"), vec![A], sender),
        ("an error body", "data: {\"error\":{\"message\":\"m\"}}\n\n".into(), vec![], sender),
        ("an error body in an array", "data: [ {\"error\":\"m\"} ]\n\n".into(), vec![], sender),
        ("an object that is an error", "data: {\"object\":\"error\",\"choices\":[]}\n\n".into(), vec![], sender),
        ("an error with NaN", "data: {\"error\":NaN}\n\n".into(), vec![], sender),
        ("an error of a bare line", format!("data: {A}\n{{\"error\":{{\"message\":\"m\"}}}}\n"), vec![A], sender),
        ("a bare line between events", format!("{{\"error\":\n\"m\"}}\n\ndata: {A}\n\n"), vec![], sender),
        (
            "no error",
            "data: {\"error\":{}}\n\ndata: {\"error\":0.0}\n\n".into(),
            vec![r#"{"error":{}}"#, r#"{"error":0}"#],
            "",
        ),
        (
            "an error beside choices",
            "data: {\"choices\":[],\"error\":\"m\"}\n\n".into(),
            vec![r#"{"choices":[],"error":"m"}"#],
            "",
        ),
        ("not a chunk", format!("data: {A}\n\ndata: {{]\n\ndata: {A}\n\n"), vec![A], "an event that is not a chunk: "),
        ("not UTF-8 as a name", format!("event: {}\ndata: {A}\n\n", '\u{e9}'), vec![A], ""),
        ("cut short", format!("data: {A}\n\ndata: {{\"id\""), vec![A], "the stream ends inside an event"),
        ("at the limit", format!("data: {{\"id\":\"{x}\"}}\n\n"), vec![], ""),
        ("above the limit", format!("data: {A}\n\ndata: {{\"id\":\"{x}y\"}}\n\ndata: {A}\n\n"), vec![A], large),
        ("too many lines", format!("data: {A}\n\n{}\n", "data: x\n".repeat(30)), vec![A], large),
        ("long comments", format!(":{}\n{}data: {A}\n\n", "c".repeat(1000), ":d\n".repeat(500)), vec![A], ""),
        ("nothing", String::new(), vec![], ""),
    ]
}

#[test]
fn streams_in_pieces_of_any_size() {
    for (name, stream, mut chunks, end) in streams() {
        let large = format!(r#"{{"id":"{}"}}"#, "x".repeat(LIMIT - 15));
        if name == "at the limit" {
            chunks.push(&large);
        }
        for size in [1, 2, 3, 7, stream.len().max(1)] {
            let found = ChunkReader::new(Codec::chunk(), LIMIT).read(Pieces {
                rest: stream.as_bytes(),
                size,
                is_interrupted: false,
            });
            check(&format!("{name}, in pieces of {size}"), found, &chunks, end);

            let mut reader = ChunkReader::new(Codec::chunk(), LIMIT);
            stream.as_bytes().chunks(size).for_each(|piece| reader.feed(piece));
            reader.finish();
            let found = std::iter::from_fn(|| reader.next_chunk());
            check(&format!("{name}, fed in pieces of {size}"), found, &chunks, end);
            assert_eq!(reader.has_ended(), !end.is_empty() || stream.contains("[DONE]"), "{name}");
        }
    }
}

fn check(case: &str, mut found: impl Iterator<Item = chatpb::Result<Vec<u8>>>, chunks: &[&str], end: &str) {
    for chunk in chunks {
        let wire = found
            .next()
            .unwrap_or_else(|| panic!("{case}: no {chunk}"))
            .unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(Codec::chunk().wire_to_json(wire).unwrap(), *chunk, "{case}");
    }
    match found.next() {
        None => assert_eq!(end, "", "{case}"),
        Some(Ok(wire)) => panic!("{case}: {:?}", Codec::chunk().wire_to_json(wire)),
        Some(Err(error)) => {
            assert!(matches!(error, Error::Stream(_) | Error::Event(_)), "{case}: {error:?}");
            assert!(!end.is_empty() && error.to_string().starts_with(end), "{case}: {error}");
        }
    }
    assert!(found.next().is_none(), "{case}: more after its end");
}

/// Gives bytes in pieces of a size, each after an interruption.
struct Pieces<'a> {
    rest: &'a [u8],
    size: usize,
    is_interrupted: bool,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_interrupted = !self.is_interrupted;
        if self.is_interrupted {
            return Err(ErrorKind::Interrupted.into());
        }
        let (piece, rest) = self.rest.split_at(self.size.min(self.rest.len()));
        self.rest = rest;
        buffer[..piece.len()].copy_from_slice(piece);
        Ok(piece.len())
    }
}

/// Gives some bytes, and then an error.
struct Broken<'a>(&'a [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(ErrorKind::ConnectionReset.into()),
            size => Ok(size),
        }
    }
}

#[test]
fn a_stream_that_breaks_has_the_chunks_before() {
    let mut chunks = read_chunks(Broken(b"data: {}\n\ndata: {}"));
    assert_eq!(chunks.next().unwrap().unwrap(), b"");
    let error = chunks.next().unwrap().unwrap_err();
    assert!(matches!(&error, Error::Io(error) if error.kind() == ErrorKind::ConnectionReset), "{error:?}");
    assert!(chunks.next().is_none());
}

#[test]
fn nothing_is_read_behind_done() {
    let mut chunks = read_chunks(Broken(b"data: {}\n\ndata: [DONE]\n\n"));
    assert_eq!(chunks.next().unwrap().unwrap(), b"");
    assert!(chunks.next().is_none());
}

#[test]
fn errors_have_what_is_wrong() {
    let first = |stream: &str| read_chunks(stream.as_bytes()).next().unwrap().unwrap_err();
    let Error::Event(body) = first("data: {\"error\":\"m\"}\n\n") else { panic!("not an event") };
    assert_eq!(body, br#"{"error":"m"}"#);
    let wrong = first("data: {\"id\": tru}\n\n");
    assert_eq!((wrong.code(), wrong.path(), wrong.column()), ("stream", Some("/id"), Some(8)));
    assert!(std::error::Error::source(&wrong).is_some());
    assert!(matches!(first("data: {\"id"), Error::Stream(StreamError::CutShort(_))));
    let not_utf_8 = read_chunks(&b"data: {\"id\":\"\xff\"}\n\n"[..]).next().unwrap();
    assert!(matches!(not_utf_8, Err(Error::Stream(StreamError::NotAChunk(_)))));
}
