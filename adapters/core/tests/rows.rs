//! Rows and columns of Arrow arrays, and lines: more of them than a thread takes at a time, with one that is wrong.

mod support;

use chatpb_core::{
    Column, ColumnError, ColumnReader, ColumnType, EncodeOptions, Encoder, JsonError, LinesError, PrintOptions,
    PrintPlan, Rows, Schema, WireError, expanded_sizes, fields_of_rows, json_lines_to_wire, json_to_wire_rows,
    messages_of_rows, rows_of, rows_of_messages, whole_messages, wire_to_json_lines, wire_to_json_rows,
};
use std::mem::MaybeUninit;
use support::*;

/// Numbers of rows around those that a thread takes at a time, of rows and of messages of which columns are read.
const COUNTS: &[usize] = if cfg!(miri) { &[0, 1, 257] } else { &[0, 1, 255, 256, 257, 513, 1023, 1024, 1025, 2500] };

fn plan() -> PrintPlan {
    PrintPlan::new(Schema::new(&node_set(), "t.Node").expect("a message of the mapping"))
}

fn encode(schema: &Schema, text: &str) -> Vec<u8> {
    Encoder::default().json_to_wire(schema, text.as_bytes(), EncodeOptions::default()).expect(text).to_vec()
}

/// Return what a conversion of rows writes to memory of some size, and behind it; and its offsets.
fn converted<E>(
    room: usize,
    convert: impl FnOnce(&mut [MaybeUninit<u8>]) -> Result<Rows, E>,
) -> Result<Vec<Vec<u8>>, E> {
    let mut memory = vec![MaybeUninit::new(0); room];
    let Rows { data, offsets } = convert(&mut memory)?;
    assert!(data.size <= room);
    // SAFETY: every byte was written here.
    let written = memory[..data.size].iter().map(|byte| unsafe { byte.assume_init() });
    let bytes: Vec<u8> = written.chain(data.overflow.concat()).collect();
    assert_eq!((offsets[0], offsets.last()), (0, Some(&(bytes.len() as i64))));
    Ok(offsets.windows(2).map(|pair| bytes[pair[0] as usize..pair[1] as usize].to_vec()).collect())
}

fn as_rows(rows: &[Vec<u8>]) -> Vec<&[u8]> {
    rows.iter().map(Vec::as_slice).collect()
}

/// The JSON text of a row, small and large ones beside each other.
fn text(at: usize) -> String {
    format!("{{\"text\":\"{}\",\"count\":{at}}}", "x".repeat(if at.is_multiple_of(100) { 3000 } else { at % 7 }))
}

#[test]
fn strict_lines_refuse_the_first_that_breaks_the_contract() {
    let (plan, options) = (plan(), EncodeOptions::default());
    let line = format!("{{\"text\":\"{}\"}}\n", "x".repeat(1000));
    for lines in if cfg!(miri) { [0, 1, 2] } else { [0, 1, 600] } {
        let text = format!(" \n{}\n{{\"inner\":{{\"text\":1}}}}\n{{\"text\":2}}", line.repeat(lines));
        for threads in [1, 3] {
            let convert =
                |strict| json_lines_to_wire(plan.schema(), text.as_bytes(), options, strict, threads, &mut []);
            let Err(LinesError::Contract(found)) = convert(true) else { panic!("a line that breaks the contract") };
            let paths: Vec<&str> = found.iter().map(|each| each.path.as_str()).collect();
            assert_eq!(paths, [format!("/{lines}/inner/text")]);
            assert!(convert(false).is_ok());
        }
    }
}

#[test]
fn rows_are_converted_in_order_wherever_there_is_room() {
    let plan = plan();
    for &count in COUNTS {
        let texts: Vec<Vec<u8>> = (0..count).map(|at| text(at).into_bytes()).collect();
        let wires: Vec<Vec<u8>> = (0..count).map(|at| encode(plan.schema(), &text(at))).collect();
        for (threads, room) in [(1, 0), (1, 1 << 20), (3, 700), (4, 1 << 20)] {
            let made = converted(room, |memory| {
                json_to_wire_rows(plan.schema(), &as_rows(&texts), EncodeOptions::default(), threads, memory)
            });
            assert_eq!(made.expect("rows"), wires);
            let made = converted(room, |memory| {
                wire_to_json_rows(&plan, &as_rows(&wires), PrintOptions::default(), threads, memory)
            });
            assert_eq!(made.expect("rows"), texts);
        }
    }
}

#[test]
fn the_first_wrong_row_is_named() {
    let plan = plan();
    let (mut texts, mut wires) = (vec![b"{}".to_vec(); 2500], vec![Vec::new(); 2500]);
    for wrong in [2499, 1025, 1024, 1023, 700, 257, 256, 255, 1, 0] {
        (texts[wrong], wires[wrong]) = (b"{\"inner\":{]".to_vec(), bytes(5, b"\x0a\x05"));
        for threads in [1, 2] {
            let (rows, options) = (as_rows(&texts), EncodeOptions::default());
            let (row, JsonError { path, offset, .. }) =
                json_to_wire_rows(plan.schema(), &rows, options, threads, &mut []).expect_err("a wrong row");
            assert_eq!((row, path.as_str(), offset), (wrong, "/inner", 10));
            let (rows, options) = (as_rows(&wires), PrintOptions::default());
            let (row, WireError { path, offset, .. }) =
                wire_to_json_rows(&plan, &rows, options, threads, &mut []).expect_err("a wrong row");
            assert_eq!((row, path.as_str(), offset), (wrong, "/inner", 2));
            let ColumnError::Wire(WireError { path, .. }) = columns(&plan, &rows, threads).expect_err("a wrong row")
            else {
                panic!("no error of the wire")
            };
            assert_eq!(path, format!("/{wrong}"));
        }
    }
}

#[test]
fn offsets_are_those_of_the_bytes() {
    let offsets = |offsets: &[i64]| offsets.iter().flat_map(|offset| offset.to_ne_bytes()).collect::<Vec<u8>>();
    assert_eq!(rows_of(b"abc", &offsets(&[0, 2, 2, 3])), Some(vec![&b"ab"[..], b"", b"c"]));
    assert_eq!(rows_of(b"abc", &offsets(&[1, 2])), Some(vec![&b"b"[..]]));
    assert_eq!(rows_of(b"abc", &offsets(&[3])), Some(vec![]));
    for wrong in [&[][..], &[0, 4], &[-1, 2], &[2, 1], &[0, 3, 2], &[4, 4], &[0, i64::MAX], &[i64::MIN, 0]] {
        assert_eq!(rows_of(b"abc", &offsets(wrong)), None, "{wrong:?}");
    }
    for size in [1, 7, 9, 15] {
        assert_eq!(rows_of(b"abc", &offsets(&[0, 1])[..size]), None, "{size}");
    }
}

#[test]
fn a_record_has_a_size_before_it_is_expanded() {
    let common = bytes(1, &[7; 50]);
    let chunk = bytes(2, b"");
    let stream = [common.clone(), chunk.repeat(3)].concat();
    let record = bytes(3, &stream);
    let size = |record: &[u8]| expanded_sizes(&[record], 3 << 3 | 2);
    assert_eq!(size(&record), [record.len() as i64 + 3 * common.len() as i64]);
    // In pieces, which protobuf merges.
    let pieces = [bytes(3, &common), bytes(3, &chunk), bytes(3, &chunk)].concat();
    assert_eq!(size(&pieces), [pieces.len() as i64 + 2 * common.len() as i64]);
    for whole in [bytes(4, &stream), record[..record.len() - 1].to_vec(), Vec::new()] {
        assert_eq!(size(&whole), [whole.len() as i64]);
    }
}

#[test]
fn messages_have_their_lengths_before_them() {
    for size in [0, 1, 127, 128, 129, 16_383, 16_384] {
        let rows = [vec![7; size], Vec::new(), vec![8; 2]];
        let messages = messages_of_rows(&as_rows(&rows));
        let lengths: Vec<u8> = rows.iter().flat_map(|row| [varint(row.len() as u64), row.clone()].concat()).collect();
        assert_eq!(messages, lengths);
        let offsets = vec![0, size as i64, size as i64, size as i64 + 2];
        assert_eq!(rows_of_messages(&messages), Some((rows.concat(), offsets)));
        for cut in [1, 2] {
            assert_eq!(rows_of_messages(&messages[..messages.len() - cut]), None);
        }
        let (data, offsets) = fields_of_rows(&as_rows(&rows), 5 << 3 | 2);
        let fields: Vec<Vec<u8>> = rows.iter().map(|row| bytes(5, row)).collect();
        assert_eq!(data, fields.concat());
        let sizes: Vec<i64> = offsets.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(sizes, fields.iter().map(|field| field.len() as i64).collect::<Vec<_>>());
        assert_eq!(offsets[0], 0);
        // A run of whole messages ends at one that is larger, cut short or whose length is written too long.
        let end = messages.len();
        assert_eq!(whole_messages(&messages, size.max(2)), (3, end));
        assert_eq!(whole_messages(&messages, size.max(2) - 1), if size > 2 { (0, 0) } else { (2, end - 3) });
        assert_eq!(whole_messages(&messages[..end - 1], usize::MAX), (2, end - 3));
        assert_eq!(whole_messages(&[&messages[..], b"\x80\x80\x80\x80\x00"].concat(), size.max(2)), (4, end + 5));
        assert_eq!(whole_messages(&[&messages[..], b"\x80\x80\x80\x80\x80\x00"].concat(), size.max(2)), (3, end));
    }
}

#[test]
fn lines_beyond_the_first_share_have_their_place() {
    // A thread takes 256 KiB at a time.
    let (plan, options) = (plan(), EncodeOptions::default());
    let line = format!("{{\"text\":\"{}\"}}\n", "x".repeat(1000));
    for lines in if cfg!(miri) { [0, 1, 2] } else { [100, 257, 600] } {
        let before = format!(" \t\r\n{}", line.repeat(lines));
        for (wrong, path, column) in [("{]", "", 2), ("{\"inner\":{\"é\":x}}\n{}", "/inner/é", 15), ("", "", 0)] {
            for threads in [1, 3] {
                let text = format!("{before}{wrong}");
                let found = json_lines_to_wire(plan.schema(), text.as_bytes(), options, true, threads, &mut []);
                if wrong.is_empty() {
                    let wire = found.expect("lines").overflow.concat();
                    let message = encode(plan.schema(), line.trim());
                    assert_eq!(wire, [varint(message.len() as u64), message].concat().repeat(lines));
                    continue;
                }
                let Err(LinesError::Json(error)) = found else { panic!("a wrong line") };
                assert_eq!((error.line, error.column, error.path.as_str()), (lines + 2, column, path));
                let within = wrong.char_indices().nth(column - 1).expect("a column").0;
                assert_eq!(error.offset, before.len() + within);
            }
        }
        let message = encode(plan.schema(), line.trim());
        let before = [varint(message.len() as u64), message].concat().repeat(lines);
        for (wrong, offset, reason) in [
            (&b"\x02\x0a\x05"[..], 1, None),
            (b"\x03\x0a\x00", 0, Some("a message that runs past the end of the input")),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 0, None),
        ] {
            for threads in [1, 3] {
                let wire = [&before[..], wrong].concat();
                let error = wire_to_json_lines(&plan, &wire, PrintOptions::default(), threads, &mut []);
                let error = error.expect_err("a wrong message");
                assert_eq!((error.path.as_str(), error.offset), ("", before.len() + offset));
                assert!(reason.is_none_or(|reason| reason == error.reason), "{}", error.reason);
            }
        }
        let printed = wire_to_json_lines(&plan, &before, PrintOptions::default(), 2, &mut []).expect("messages");
        assert_eq!(printed.overflow.concat(), line.repeat(lines).as_bytes());
    }
}

/// Columns of every type, some with a source that is preferred to another.
const COLUMNS: &[(ColumnType, &[&str])] = &[
    (ColumnType::String, &["text"]),
    (ColumnType::Integer, &["count", "small"]),
    (ColumnType::Number, &["ratio"]),
    (ColumnType::Number, &["open"]),
    (ColumnType::Strings, &["nodes.text"]),
    (ColumnType::Present, &["inner"]),
    (ColumnType::String, &["inner.color"]),
];

fn columns(plan: &PrintPlan, rows: &[&[u8]], threads: usize) -> Result<Vec<Column>, ColumnError> {
    let columns = COLUMNS.iter().map(|(kind, paths)| (*kind, paths.iter().map(|&path| path.to_owned()).collect()));
    ColumnReader::new(plan.schema(), &columns.collect::<Vec<_>>()).expect("columns").read(rows, threads)
}

/// A row's text, and the values of its columns as they are told: `None`, or as text.
fn row(at: usize) -> (String, [Option<String>; 7]) {
    // Each member, and the column that takes its value.
    let mut members: Vec<(String, Option<(usize, String)>)> = Vec::new();
    if !at.is_multiple_of(3) {
        let text = "é".repeat(at % 50);
        members.push((format!("\"text\":\"{text}\""), Some((0, text))));
    }
    members.push(match at % 4 {
        0 => (format!("\"small\":{at},\"count\":-{at}"), Some((1, (-(at as i64)).to_string()))),
        1 => (format!("\"small\":{at}"), Some((1, at.to_string()))),
        // An open member takes the place of the field.
        2 => (format!("\"small\":{}", 1u64 << 40), Some((1, (1u64 << 40).to_string()))),
        _ => ("\"count\":\"1\"".to_owned(), None),
    });
    if at % 5 == 1 {
        members.push((format!("\"ratio\":{at}.5"), Some((2, format!("{at}.5")))));
    }
    members.push(match at % 6 {
        0 => (format!("\"open\":{at}"), Some((3, at.to_string()))),
        1 => ("\"open\":-0.25".to_owned(), Some((3, "-0.25".to_owned()))),
        2 => ("\"open\":1e300".to_owned(), Some((3, 1e300.to_string()))),
        3 => ("\"open\":\"1\"".to_owned(), None),
        _ => ("\"open\":true".to_owned(), None),
    });
    let texts: Vec<String> = (0..at % 4).map(|n| format!("{at}.{n}")).collect();
    let nodes: Vec<String> = texts.iter().map(|text| format!("{{\"text\":\"{text}\",\"nodes\":[{{}}]}},")).collect();
    let nodes = format!("\"nodes\":[{{}},{}{{\"text\":null}}]", nodes.concat());
    members.push((nodes, Some((4, texts.join(" ")))));
    let mut values: [Option<String>; 7] = Default::default();
    if at % 7 == 2 {
        let color = [None, Some("red"), Some("other")][at % 3];
        let inner = color.map_or(String::new(), |color| format!("\"color\":\"{color}\""));
        members.push((format!("\"inner\":{{{inner}}}"), Some((5, "1".to_owned()))));
        values[6] = color.map(str::to_owned);
    }
    let mut texts = Vec::new();
    for (text, found) in members {
        texts.push(text);
        if let Some((column, value)) = found {
            values[column] = Some(value);
        }
    }
    (format!("{{{}}}", texts.join(",")), values)
}

#[test]
fn columns_have_a_value_for_each_row() {
    let plan = plan();
    for &count in COUNTS {
        let (texts, expected): (Vec<String>, Vec<_>) = (0..count).map(row).unzip();
        let wires: Vec<Vec<u8>> = texts.iter().map(|text| encode(plan.schema(), text)).collect();
        for threads in [1, 2, 5] {
            let read = columns(&plan, &as_rows(&wires), threads).expect("rows");
            for (at, (column, (kind, _))) in read.into_iter().zip(COLUMNS).enumerate() {
                let found = values(*kind, column, count);
                for (row, found) in found.into_iter().enumerate() {
                    assert_eq!(found, expected[row][at], "column {at}, row {row}: {}", texts[row]);
                }
            }
        }
    }
}

/// Return the values of a column from its buffers.
fn values(kind: ColumnType, column: Column, count: usize) -> Vec<Option<String>> {
    let [validity, lists, values, data] = column.buffers();
    let words = |bytes: &[u8]| -> Vec<usize> {
        bytes.as_chunks().0.iter().map(|&word| i32::from_ne_bytes(word) as usize).collect()
    };
    let longs: Vec<i64> = values.as_chunks().0.iter().map(|&word| i64::from_ne_bytes(word)).collect();
    let (lists, offsets) = (words(&lists), words(&values));
    let string = |at: usize| str::from_utf8(&data[offsets[at]..offsets[at + 1]]).expect("UTF-8").to_owned();
    if kind == ColumnType::Strings {
        assert_eq!((validity.len(), lists.len(), lists[0], offsets[0]), (0, count + 1, 0, 0));
        assert_eq!((lists.last(), offsets.last()), (Some(&(offsets.len() - 1)), Some(&data.len())));
        let list = |at: usize| (lists[at]..lists[at + 1]).map(string).collect::<Vec<_>>().join(" ");
        return (0..count).map(|at| Some(list(at))).collect();
    }
    assert_eq!((lists.len(), validity.len()), (0, count.div_ceil(8)));
    let value = |at: usize| match kind {
        ColumnType::String => string(at),
        ColumnType::Number => f64::from_bits(longs[at] as u64).to_string(),
        _ => longs[at].to_string(),
    };
    (0..count).map(|at| (validity[at / 8] >> (at % 8) & 1 == 1).then(|| value(at))).collect()
}

#[test]
fn a_path_that_leads_to_no_value_is_named() {
    let plan = plan();
    for (kind, path) in [
        (ColumnType::String, "nobody"),
        (ColumnType::String, "count"),
        (ColumnType::String, "inner"),
        (ColumnType::String, "text.text"),
        (ColumnType::String, "weights"),
        (ColumnType::Integer, "text"),
        (ColumnType::Integer, "nobody"),
        (ColumnType::Number, "text"),
        (ColumnType::Number, "nobody.text"),
        (ColumnType::Strings, "small"),
        (ColumnType::Present, "text"),
        (ColumnType::Present, "nodes.nobody"),
    ] {
        let error = ColumnReader::new(plan.schema(), &[(kind, vec![path.to_owned()])]).expect_err(path);
        assert!(error.contains(path), "{error}");
    }
    let many = |count: usize| vec![(ColumnType::Integer, vec!["count".to_owned()]); count];
    assert!(ColumnReader::new(plan.schema(), &many(64)).is_ok());
    assert!(ColumnReader::new(plan.schema(), &many(65)).is_err());
}
