//! Values at their edges, both ways: the wire bytes of each are made here by hand.

mod support;

use chatpb_core::{EncodeOptions, Encoder, MAX_DEPTH, PrintOptions, PrintPlan, Printer, Schema, validate};
use std::mem::MaybeUninit;
use support::*;

struct Codec {
    plan: PrintPlan,
    encoder: Encoder,
    printer: Printer,
}

impl Codec {
    fn new() -> Codec {
        let schema = Schema::new(&node_set(), "t.Node").expect("a message of the mapping");
        Codec { plan: PrintPlan::new(schema), encoder: Encoder::default(), printer: Printer::default() }
    }

    fn encode(&mut self, text: &str) -> Vec<u8> {
        let done = self.encoder.json_to_wire(self.plan.schema(), text.as_bytes(), EncodeOptions::default());
        done.unwrap_or_else(|error| panic!("{error:?} {text}")).to_vec()
    }

    fn print(&mut self, wire: &[u8]) -> String {
        let done = self.printer.wire_to_json(&self.plan, wire, PrintOptions::default());
        String::from_utf8(done.expect("a message").to_vec()).expect("UTF-8")
    }

    /// Check that a text gives these bytes, and these the text.
    fn check(&mut self, text: &str, wire: &[u8]) {
        assert_eq!(self.encode(text), wire, "{text}");
        assert_eq!(self.print(wire), text);
    }
}

/// A field of 64 bits.
fn fixed(number: u32, value: f64) -> Vec<u8> {
    [varint(u64::from(number << 3 | 1)), value.to_le_bytes().to_vec()].concat()
}

/// A member that no field holds, as a google.protobuf.Struct holds it.
fn open_member(name: &str, value: &[u8]) -> Vec<u8> {
    bytes(15, &bytes(1, &[bytes(1, name.as_bytes()), bytes(2, value)].concat()))
}

fn kept_member(name: &str, text: &str) -> Vec<u8> {
    bytes(16, &[bytes(1, name.as_bytes()), bytes(2, text.as_bytes())].concat())
}

/// Powers of ten and of two, plus and minus one.
fn edges() -> Vec<i128> {
    let tens = (0..21).map(|exponent| 10i128.pow(exponent));
    let twos = (0..66).map(|exponent| 1i128 << exponent);
    let near: Vec<i128> = tens.chain(twos).flat_map(|power| [power - 1, power, power + 1]).collect();
    near.iter().flat_map(|&value| [value, -value]).collect()
}

#[test]
fn integers_at_powers_of_ten_and_of_two() {
    let mut codec = Codec::new();
    let ranges = [
        ("count", 2, i128::from(i64::MIN), i128::from(i64::MAX)),
        ("large", 18, 0, i128::from(u64::MAX)),
        ("small", 20, i128::from(i32::MIN), i128::from(i32::MAX)),
        ("a_name_of_more_than_the_thirty-two_bytes", 63, i128::from(i32::MIN), i128::from(i32::MAX)),
    ];
    for value in edges() {
        for (name, number, least, most) in ranges {
            let text = format!("{{\"{name}\":{value}}}");
            if (least..=most).contains(&value) {
                codec.check(&text, &integer(number, value as i64 as u64));
                // Between whitespace, and before more.
                let more = format!("{{ \"{name}\" : {value} , \"text\":\"\"}}");
                assert_eq!(codec.encode(&more), [bytes(1, b""), integer(number, value as i64 as u64)].concat());
            } else if value.unsigned_abs() <= 1 << 53 {
                codec.check(&text, &open_member(name, &fixed(2, value as f64)));
            } else {
                codec.check(&text, &kept_member(name, &value.to_string()));
            }
        }
        let wire = codec.encode(&format!("{{\"x\":{value},\"ratio\":{value}}}"));
        if value.unsigned_abs() <= 1 << 53 {
            assert_eq!(wire, [open_member("x", &fixed(2, value as f64)), fixed(21, value as f64)].concat(), "{value}");
        }
        let printed = codec.print(&wire);
        assert!(
            printed.contains(&format!("\"x\":{value}")) && printed.contains(&format!("\"ratio\":{value}")),
            "{printed}"
        );
        if let Ok(value) = i64::try_from(value) {
            let items: Vec<u8> = [value, 0, value].iter().flat_map(|&item| varint(item as u64)).collect();
            codec.check(&format!("{{\"union\":[{value},0,{value}]}}"), &bytes(11, &bytes(1, &items)));
        }
    }
}

#[test]
fn integers_that_do_not_begin_as_they_should() {
    let mut codec = Codec::new();
    for digits in 1..24 {
        for start in ["0", "-0", "00", "01", "-01"] {
            let text = format!("{{\"count\":{start}{}}}", "7".repeat(digits));
            let error = codec.encoder.json_to_wire(codec.plan.schema(), text.as_bytes(), EncodeOptions::default());
            assert!(error.is_err(), "{text}");
        }
    }
    codec.check("{\"count\":0}", &integer(2, 0));
    assert_eq!(codec.encode("{\"count\":-0}"), integer(2, 0));
    assert_eq!(codec.encode("{\"count\":1.0}"), integer(2, 1));
    assert_eq!(codec.encode("{\"count\":1e3}"), integer(2, 1000));
}

/// Whatever follows a number, which is read in words: a byte that is not ASCII counts as a digit no more than others do.
#[test]
fn what_follows_a_number_is_no_part_of_it() {
    let mut codec = Codec::new();
    for digits in 1..=18 {
        let value = &"123456789012345678"[..digits];
        let wire = integer(2, value.parse().expect("a number"));
        for distance in 0..9 {
            for next in ["\u{e9}", "\u{f3}", "\u{10ffff}", "9", "/", ":", "~", " "] {
                let name = format!("{}{next}", "n".repeat(distance));
                let text = format!("{{\"count\":{value},\"{name}\":true}}");
                codec.check(&text, &[wire.clone(), open_member(&name, &integer(4, 1))].concat());
            }
        }
        for space in [" ", "\n", "\t", "\r\n"] {
            assert_eq!(codec.encode(&format!("{{\"count\":{value}{space}}}")), wire);
        }
        // An array where one integer stands takes none that is as long.
        let list = bytes(11, &bytes(1, &varint(value.parse().expect("a number"))));
        codec.check(&format!("{{\"union\":[{value}]}}"), &list);
        codec.check(&format!("{{\"union\":{value}}}"), &open_or_kept("union", value));
    }
}

#[test]
fn one_long_integer_is_no_array() {
    for number in ["1", "1234567", "12345678", "1234567890123", "123456789012345"] {
        let m = message("M", &[homes(), field("longs", 1, REPEATED, INT64, "", &[])]);
        let schema = Schema::new(&set(&[m]), "t.M").expect("a message of the mapping");
        let encode = |text: &str| {
            let done =
                Encoder::default().json_to_wire(&schema, text.as_bytes(), EncodeOptions::default()).map(<[u8]>::to_vec);
            done.expect("a document")
        };
        assert_eq!(encode(&format!("{{\"longs\":{number}}}")), open_or_kept("longs", number));
        let items = varint(number.parse().expect("a number"));
        assert_eq!(encode(&format!("{{\"longs\":[{number}]}}")), bytes(1, &items));
    }
}

fn open_or_kept(name: &str, number: &str) -> Vec<u8> {
    let value: u64 = number.parse().expect("a number");
    if value <= 1 << 53 { open_member(name, &fixed(2, value as f64)) } else { kept_member(name, number) }
}

#[test]
fn code_points_beside_surrogates_stay_as_they_are() {
    let mut codec = Codec::new();
    for lone in ["\\ud800", "\\udbff", "\\udc00", "\\udfff"] {
        for other in ["\u{cfff}", "\u{d000}", "\u{d7c0}", "\u{d7ff}", "\u{e000}", "\u{efff}", "\u{10000}", "~"] {
            for string in [format!("{lone}{other}"), format!("{other}{lone}"), format!("{lone}{other}{lone}")] {
                codec.check(&format!("{{\"x\":\"{string}\"}}"), &kept_member("x", &format!("\"{string}\"")));
            }
        }
    }
}

#[test]
fn decimals_of_many_digits() {
    let mut codec = Codec::new();
    for digits in 1..25usize {
        for point in 0..=digits {
            let figures: String = (0..digits).map(|at| char::from(b'1' + (at * 7 % 9) as u8)).collect();
            let (whole, fraction) = figures.split_at(point);
            let number = format!("{}.{}", if whole.is_empty() { "0" } else { whole }, fraction.to_owned() + "5");
            let value: f64 = number.parse().expect("a double");
            let wire = codec.encode(&format!("{{\"ratio\":{number}}}"));
            if wire[..2] == varint(21 << 3 | 1)[..] {
                assert_eq!(wire, fixed(21, value), "{number}");
            }
            let printed = codec.print(&fixed(21, value));
            let back = printed.strip_prefix("{\"ratio\":").and_then(|text| text.strip_suffix('}')).expect("a ratio");
            assert_eq!(back.parse(), Ok(value), "{number}");
            assert_eq!(codec.encode(&printed), fixed(21, value), "{printed}");
        }
    }
    for exponent in -1074..1024 {
        let value = 2f64.powi(exponent);
        for value in [value, -value, value.next_up(), value.next_down(), value * 1.1] {
            let text = codec.print(&fixed(21, value));
            assert_eq!(text[9..text.len() - 1].parse(), Ok(value));
            assert_eq!(codec.encode(&text), fixed(21, value), "{text}");
        }
    }
}

/// The sizes of payloads around each change of the size of their length, in each place of a length.
#[test]
fn lengths_where_their_varints_grow() {
    let mut codec = Codec::new();
    let near = |edge: usize| edge.saturating_sub(12)..edge + 3;
    let sizes: Vec<usize> = (0..300).chain(near(1 << 14)).chain(near(1 << 21)).collect();
    for &size in &sizes {
        let (string, escaped) = ("x".repeat(size), format!("{}\\n", "x".repeat(size)));
        let decoded = format!("{string}\n");
        codec.check(&format!("{{\"text\":\"{string}\"}}"), &bytes(1, string.as_bytes()));
        codec.check(&format!("{{\"text\":\"{escaped}\"}}"), &bytes(1, decoded.as_bytes()));
        codec.check(&format!("{{\"inner\":{{\"text\":\"{string}\"}}}}"), &bytes(5, &bytes(1, string.as_bytes())));
        codec.check(&format!("{{\"x\":\"{string}\"}}"), &open_member("x", &bytes(3, string.as_bytes())));
        codec.check(
            &format!("{{\"x\":[\"{escaped}\"]}}"),
            &open_member("x", &bytes(6, &bytes(1, &bytes(3, decoded.as_bytes())))),
        );
        codec.check(
            &format!("{{\"strings\":[\"\",\"{string}\"]}}"),
            &[bytes(17, b""), bytes(17, string.as_bytes())].concat(),
        );
        if size > 0 {
            codec.check(&format!("{{\"n{string}\":true}}"), &open_member(&format!("n{string}"), &integer(4, 1)));
            codec.check(&format!("{{\"kept\":[\"{string}\"]}}"), &bytes(9, format!("[\"{string}\"]").as_bytes()));
        }
    }
    for size in (1..300).chain(near(1 << 14)) {
        let zeros = vec!["255"; size].join(",");
        codec.check(&format!("{{\"octets\":[{zeros}]}}"), &bytes(7, &vec![255; size]));
        let ones = vec!["1"; size].join(",");
        codec.check(&format!("{{\"doubles\":[{ones}]}}"), &bytes(6, &1f64.to_le_bytes().repeat(size)));
        codec.check(&format!("{{\"union\":[{ones}]}}"), &bytes(11, &bytes(1, &vec![1; size])));
    }
}

#[test]
fn a_byte_that_is_no_text_is_refused_wherever_it_stands() {
    let codec = Codec::new();
    let mut encoder = Encoder::default();
    for size in 1..140 {
        for place in 0..size {
            for escape in ["", "\\n"] {
                let mut string = format!("{escape}{}", "x".repeat(size)).into_bytes();
                let at = escape.len() + place;
                string[at] = 0xff;
                for name in ["text", "x"] {
                    let text = [format!("{{\"{name}\":\"").as_bytes(), &string, b"\"}"].concat();
                    let error = encoder.json_to_wire(codec.plan.schema(), &text, EncodeOptions::default());
                    assert_eq!(error.expect_err("no UTF-8").offset, name.len() + 5 + at);
                }
                let mut printer = Printer::default();
                let wire = bytes(1, &string);
                assert!(printer.wire_to_json(&codec.plan, &wire, PrintOptions::default()).is_err());
                let wire = [wire, integer(2, 1), bytes(17, &[b'y'; 70])].concat();
                assert!(printer.wire_to_json(&codec.plan, &wire, PrintOptions::default()).is_err());
            }
        }
    }
}

#[test]
fn the_last_of_rival_alternatives_counts() {
    let mut codec = Codec::new();
    let (string, list) = (bytes(23, b"a"), bytes(11, &bytes(1, &[1, 2])));
    for rivals in [vec![&string, &list], vec![&list, &string, &list], vec![&string, &string, &list]] {
        let wire: Vec<u8> = rivals.iter().flat_map(|field| field.iter().copied()).collect();
        let printed = codec.print(&wire);
        assert!(printed == "{\"union\":[1,2]}" || printed == "{\"union\":[1,2,1,2]}", "{printed}");
        assert_eq!(validate(codec.plan.schema(), &wire, false), Ok(Vec::new()));
    }
    assert_eq!(codec.print(&[list.clone(), string.clone()].concat()), "{\"union\":\"a\"}");
    assert_eq!(codec.print(&[string, bytes(23, b"b")].concat()), "{\"union\":\"b\"}");
}

/// Strings that are held back until another member is there, with a byte too many behind them.
#[test]
fn what_follows_a_string_that_is_held_back_is_read() {
    let mut codec = Codec::new();
    for size in 0..130 {
        let string = "x".repeat(size);
        let wire = [bytes(1, b"y"), bytes(62, string.as_bytes())].concat();
        for _ in 0..3 {
            assert_eq!(codec.encode(&format!("{{\"last\":\"{string}\",\"text\":\"y\"}}")), wire);
        }
        for wrong in ["\"", "x", "\\", "\u{1}", "é"] {
            let text = format!("{{\"last\":\"{string}\"{wrong},\"text\":\"y\"}}");
            let done = codec.encoder.json_to_wire(codec.plan.schema(), text.as_bytes(), EncodeOptions::default());
            assert!(done.is_err(), "{text}");
        }
    }
}

/// Lines that are large and then small, and the other way round, so that buffers are used again.
#[test]
fn batches_whose_shares_are_large_and_then_small() {
    let codec = Codec::new();
    let schema = codec.plan.schema();
    let sizes = [400_000, 1, 300_000, 7, 260_000, 0, 0, 0, 500_000, 20];
    for sizes in [sizes.to_vec(), sizes.iter().rev().copied().collect()] {
        let lines: Vec<String> = sizes.iter().map(|&size| format!("{{\"text\":\"{}\"}}\n", "x".repeat(size))).collect();
        let expected: Vec<u8> = sizes
            .iter()
            .flat_map(|&size| {
                let wire = bytes(1, "x".repeat(size).as_bytes());
                [varint(wire.len() as u64), wire].concat()
            })
            .collect();
        for threads in [1, 2, 3] {
            for room in [0, 300_001, 4 << 20] {
                let mut memory = vec![MaybeUninit::new(0); room];
                let (text, options) = (lines.concat(), EncodeOptions::default());
                let done =
                    chatpb_core::json_lines_to_wire(schema, text.as_bytes(), options, false, threads, &mut memory);
                assert!(written(&memory, &done.expect("lines")) == expected, "{threads} {room}");
                let options = PrintOptions::default();
                let done = chatpb_core::wire_to_json_lines(&codec.plan, &expected, options, threads, &mut memory);
                assert!(written(&memory, &done.expect("messages")) == text.as_bytes(), "{threads} {room}");
            }
        }
    }
}

fn written(memory: &[MaybeUninit<u8>], done: &chatpb_core::Written) -> Vec<u8> {
    // SAFETY: all of the memory was initialized above.
    let start = memory[..done.size].iter().map(|byte| unsafe { byte.assume_init() });
    start.chain(done.overflow.concat()).collect()
}

/// Rows beyond the first share, with an error in a late one.
#[test]
fn an_error_in_a_late_row_has_its_index() {
    let codec = Codec::new();
    let schema = codec.plan.schema();
    for (count, bad) in [(255, 254), (256, 255), (257, 256), (2000, 1025), (5000, 4999)] {
        let mut rows = vec![&b"{\"count\":7}"[..]; count];
        let convert = |rows: &[&[u8]]| {
            chatpb_core::json_to_wire_rows(schema, rows, EncodeOptions::default(), 2, &mut [])
                .map(|rows| (rows.offsets, rows.data.overflow.concat()))
                .map_err(|(row, error)| (row, error.offset))
        };
        let offsets = (0..=count as i64).map(|row| row * 2).collect();
        assert_eq!(convert(&rows), Ok((offsets, integer(2, 7).repeat(count))));
        rows[bad] = b"{\"count\":}";
        assert_eq!(convert(&rows), Err((bad, 9)));
        let wire = integer(2, 7);
        let mut rows = vec![wire.as_slice(); count];
        rows[bad] = &wire[..1];
        let done = chatpb_core::wire_to_json_rows(&codec.plan, &rows, PrintOptions::default(), 2, &mut []);
        assert_eq!(done.expect_err("a bad row").0, bad);
    }
}

/// Maps of messages in maps, where an entry may replace one before it.
#[test]
fn maps_end_at_the_limit_of_depth() {
    let entry = [
        field("key", 1, SINGULAR, STRING, "", &[]),
        field("value", 2, SINGULAR, MESSAGE, ".t.M", &[]),
        bytes(7, &integer(7, 1)),
    ];
    let map = field("map", 1, REPEATED, MESSAGE, ".t.M.MapEntry", &[]);
    let set = set(&[message("M", &[map, homes(), nested("MapEntry", &entry)])]);
    let plan = PrintPlan::new(Schema::new(&set, "t.M").expect("a message of the mapping"));
    let mut printer = Printer::default();
    let entry = |value: &[u8]| bytes(1, &[bytes(1, b"k"), bytes(2, value)].concat());
    for count in [1, MAX_DEPTH / 2 - 2, MAX_DEPTH / 2 - 1, MAX_DEPTH / 2, MAX_DEPTH / 2 + 1] {
        let wire = (0..count).fold(Vec::new(), |inside, _| entry(&inside));
        for wire in [wire.clone(), [wire, entry(b"")].concat()] {
            let fits = 2 * count < MAX_DEPTH;
            assert_eq!(printer.wire_to_json(&plan, &wire, PrintOptions::default()).is_ok(), fits, "{count}");
            assert_eq!(validate(plan.schema(), &wire, false).is_ok(), fits, "{count}");
        }
    }
}

/// An array that is a message counts as one level, and so does each item.
#[test]
fn lists_end_at_the_limit_of_depth() {
    let list = message("L", &[field("items", 1, REPEATED, MESSAGE, ".t.M", &[])]);
    let parts = [
        field("string", 1, SINGULAR, STRING, "", &[integer(9, 0)]),
        field("list", 2, SINGULAR, MESSAGE, ".t.L", &[integer(9, 0)]),
        bytes(8, &bytes(1, b"union")),
        homes(),
    ];
    let schema = Schema::new(&set(&[message("M", &parts), list]), "t.M").expect("a message of the mapping");
    let plan = PrintPlan::new(schema);
    for count in (0..3).chain(MAX_DEPTH / 2 - 2..MAX_DEPTH / 2 + 2) {
        for more in [0, 1] {
            // The last list is empty, or there is none.
            let last = if more == 0 { Vec::new() } else { bytes(2, b"") };
            let wire = (0..count).fold(last, |inside, _| bytes(2, &bytes(1, &inside)));
            let inside = if more == 0 { "{}" } else { r#"{"union":[]}"# };
            let text = r#"{"union":["#.repeat(count) + inside + &"]}".repeat(count);
            let fits = 1 + 2 * count + more <= MAX_DEPTH;
            let printed = Printer::default().wire_to_json(&plan, &wire, PrintOptions::default()).map(<[u8]>::to_vec);
            assert_eq!(printed.ok(), fits.then(|| text.clone().into_bytes()), "{count} {more}");
            let mut encoder = Encoder::default();
            let made = encoder.json_to_wire(plan.schema(), text.as_bytes(), EncodeOptions::default());
            assert_eq!(made.ok(), fits.then_some(&wire[..]), "{count} {more}");
        }
    }
}

/// Kept JSON text counts as the objects around it do, however much deeper than the limit it is.
#[test]
fn kept_text_ends_at_the_limit_of_depth() {
    let mut codec = Codec::new();
    for above in [0, 1, 5, MAX_DEPTH - 2] {
        let rest = MAX_DEPTH - above - 1;
        for levels in [1, rest.max(2) - 1, rest, rest + 1, rest + 2, rest + 3, 2 * MAX_DEPTH] {
            let text = "[".repeat(levels) + &"]".repeat(levels);
            for kept in [bytes(9, text.as_bytes()), kept_member("x", &text)] {
                let wire = (0..above).fold(kept, |inside, _| bytes(5, &inside));
                let printed = codec.printer.wire_to_json(&codec.plan, &wire, PrintOptions::default());
                assert_eq!(printed.is_ok(), levels <= rest, "{above} {levels}");
            }
        }
    }
}

/// Nested as deep as may be, and one level deeper, in every shape: text, wire bytes and validation end at one limit.
#[test]
fn depth_ends_at_its_limit_in_every_shape() {
    let mut codec = Codec::new();
    let shapes = [
        ("{\"inner\":", "}", 1),
        ("{\"nodes\":[", "]}", 2),
        ("{\"x\":", "}", 1),
        ("{\"x\":[", "]}", 2),
        ("{\"x\":[[", "]]}", 3),
        ("{\"inner\":{\"nodes\":[{},", "]}}", 3),
        ("{\"inner\":{\"x\":[1,", "]}}", 3),
    ];
    for (open, close, levels) in shapes {
        let insides = [
            ("{}", 1),
            ("[]", 1),
            ("[[]]", 2),
            ("1", 0),
            ("{\"weights\":{}}", 2),
            ("{\"weights\":{\"a\":1}}", 2),
            ("{\"doubles\":[1]}", 2),
            ("{\"octets\":[1]}", 2),
            ("{\"union\":[1]}", 2),
            ("{\"strings\":[\"a\"]}", 2),
            ("{\"colors\":[\"red\"]}", 2),
            ("{\"kept\":[[1]]}", 3),
            ("{\"x\":{\"y\":[1]}}", 3),
        ];
        for (inside, more) in insides {
            for count in 0..=MAX_DEPTH / levels {
                let depth = count * levels + more;
                if depth + 4 < MAX_DEPTH || depth == 0 || (count == 0 && inside != "{}") {
                    continue;
                }
                let text = open.repeat(count) + inside + &close.repeat(count);
                let made = codec.encoder.json_to_wire(codec.plan.schema(), text.as_bytes(), EncodeOptions::default());
                let Ok(wire) = made.map(<[u8]>::to_vec) else {
                    assert!(depth > MAX_DEPTH, "{depth} {text}");
                    continue;
                };
                assert!(depth <= MAX_DEPTH, "{depth} {text}");
                assert_eq!(codec.print(&wire), text);
                assert!(validate(codec.plan.schema(), &wire, false).is_ok());
            }
        }
    }
    let insides = [
        (Vec::new(), 0),
        (bytes(11, &bytes(1, &[1])), 1),
        (open_member("x", &bytes(6, b"")), 1),
        (open_member("x", &bytes(5, b"")), 1),
        (open_member("x", &bytes(6, &bytes(1, &bytes(6, b"")))), 2),
    ];
    for (number, levels) in [(5, 1), (4, 2)] {
        for (inside, more) in &insides {
            for count in (1..4).chain(MAX_DEPTH / levels - 4..MAX_DEPTH / levels + 2) {
                let wire = (0..count).fold(inside.clone(), |inside, _| bytes(number, &inside));
                let fits = 1 + count * levels + more <= MAX_DEPTH;
                let printed = codec.printer.wire_to_json(&codec.plan, &wire, PrintOptions::default());
                assert_eq!(printed.is_ok(), fits, "{number} {count} {inside:?}");
                assert_eq!(validate(codec.plan.schema(), &wire, false).is_ok(), fits, "{number} {count} {inside:?}");
            }
        }
    }
}

/// An open value may start at any level, and be deeper than a google.protobuf.Struct may.
#[test]
fn open_values_end_at_the_limit_of_depth_wherever_they_start() {
    let mut codec = Codec::new();
    for above in (0..3).chain(MAX_DEPTH - 30..MAX_DEPTH - 1) {
        let most = MAX_DEPTH - above - 1;
        for (open, close) in [("{\"y\":", "}"), ("[", "]"), ("[{\"y\":", "}]"), ("{\"y\":[", "]}")] {
            let levels = open.matches(['{', '[']).count();
            for count in (most / levels).saturating_sub(1)..most / levels + 3 {
                let value = open.repeat(count) + "1" + &close.repeat(count);
                let text = format!("{}{{\"x\":{value}}}{}", "{\"inner\":".repeat(above), "}".repeat(above));
                let made = codec.encoder.json_to_wire(codec.plan.schema(), text.as_bytes(), EncodeOptions::default());
                let fits = count * levels <= most;
                assert_eq!(made.is_ok(), fits, "{text}");
                if fits {
                    let wire = codec.encode(&text);
                    assert_eq!(codec.print(&wire), text);
                }
            }
        }
    }
}

#[test]
fn names_of_any_sizes_are_in_order() {
    let mut codec = Codec::new();
    let names = [
        "",
        "a",
        "ab",
        "b",
        "bz",
        "c",
        "cz",
        "az",
        "abcdefg",
        "abcdefgh",
        "abcdefgi",
        "abcdefghi",
        "bcdefg",
        "~~~~~~~~",
    ];
    for (first, second) in names.iter().flat_map(|&first| names.map(|second| (first, second))) {
        let text = format!(r#"{{"x":{{"{first}":1,"{second}":2}}}}"#);
        if first < second {
            // An order that is that of the names is not written.
            let inside = [(first, 1.0), (second, 2.0)]
                .map(|(name, value)| bytes(1, &[bytes(1, name.as_bytes()), bytes(2, &fixed(2, value))].concat()));
            codec.check(&text, &open_member("x", &bytes(5, &inside.concat())));
        } else if first > second {
            assert_eq!(codec.encode(&text)[0], 12 << 3 | 2, "{text}");
        }
    }
}

#[test]
fn keys_of_any_size_are_in_canonical_order() {
    let (mut codec, options) = (Codec::new(), EncodeOptions { canonical: true, ..EncodeOptions::default() });
    for size in [0, 1, 2, 126, 127, 128, 129, 130, 300] {
        let [first, second] = ["a", "b"].map(|last| format!("\"{}{last}\":0.5", "k".repeat(size)));
        let wires = [format!("{first},{second}"), format!("{second},{first}")].map(|members| {
            let text = format!("{{\"weights\":{{{members}}}}}");
            codec.encoder.json_to_wire(codec.plan.schema(), text.as_bytes(), options).expect("a map").to_vec()
        });
        assert_eq!(wires[0], wires[1], "{size}");
    }
}

#[test]
fn the_last_bits_of_a_message_count() {
    let mut codec = Codec::new();
    let nulls = |bits: u64| integer(14, bits);
    for (first, last) in [0, 2, 4, 6].iter().flat_map(|&first| [0, 2, 4, 6].map(|last| (first, last))) {
        assert_eq!(codec.print(&[nulls(first), nulls(last)].concat()), codec.print(&nulls(last)), "{first} {last}");
        for field in [bytes(1, b"a"), integer(63, 1), bytes(62, b"a")] {
            let between = [nulls(first), field.clone(), nulls(last)].concat();
            assert_eq!(codec.print(&between), codec.print(&[nulls(last), field].concat()), "{first} {last}");
        }
    }
}

#[test]
fn an_open_member_that_is_longer_than_its_entry_is_refused() {
    let codec = Codec::new();
    for size in 5..=7 {
        let entry = [&[0x0a, size, 0x0a, 1, b'a', 0x12, 2 * size - 7][..], &[0x1a, 2 * size - 9], &[b'x'; 20]].concat();
        let wire = bytes(15, &entry[..2 * usize::from(size)]);
        let printed = Printer::default().wire_to_json(&codec.plan, &wire, PrintOptions::default()).map(<[u8]>::to_vec);
        assert!(printed.is_err(), "{size}");
    }
}

#[test]
fn what_is_replaced_is_read_too() {
    let codec = Codec::new();
    let cut = b"\x08\x80";
    for (replaced, last) in [
        (bytes(11, cut), bytes(23, b"x")),
        (bytes(23, b"\xff"), bytes(11, b"")),
        (bytes(1, b"\xff"), bytes(1, b"x")),
        (bytes(5, cut), bytes(5, b"")),
    ] {
        assert!(
            validate(codec.plan.schema(), &[replaced.clone(), last.clone()].concat(), false).is_err(),
            "{replaced:?}"
        );
        assert!(validate(codec.plan.schema(), &last, false).is_ok());
    }
}
