//! That nothing is written behind the memory that was asked for, and nothing read behind an input.
//!
//! Each document goes into memory that has exactly what is asked for, with a canary behind it, from an input that ends at a
//! page which may not be read; by an encoder and a printer that have guessed nothing yet, and by ones that have. Builds
//! with debug assertions check each single write and read too.

#[path = "support/exact_memory.rs"]
mod exact_memory;
#[path = "support/random.rs"]
mod random;
mod support;

use chatpb_core::{EncodeOptions, Encoder, Origin, PrintOptions, PrintPlan, Printer, Schema, contract};
use exact_memory::{ExactMemory, GuardedBytes};
use random::{Random, object};
use support::*;

/// How many random documents there are. Miri takes a second for a few.
const DOCUMENTS: u64 = if cfg!(miri) { 4 } else { 800 };

const BEFORE: &[u8] = b"what was there before";

/// A message type with what has guessed for it, and room for inputs.
struct Bounds {
    plan: PrintPlan,
    encoder: Encoder,
    printer: Printer,
    guarded: GuardedBytes,
}

impl Bounds {
    fn new(schema: Schema) -> Bounds {
        let (encoder, printer) = (Encoder::default(), Printer::default());
        Bounds { plan: PrintPlan::new(schema), encoder, printer, guarded: GuardedBytes::new(1 << 20) }
    }

    fn of_nodes() -> Bounds {
        Bounds::new(Schema::new(&node_set(), "t.Node").expect("a message of the mapping"))
    }

    fn of(name: &str) -> Bounds {
        Bounds::new(Schema::new(contract(), &format!("chatcompletion.v1.{name}")).expect("a message of the contract"))
    }

    /// Encode a text in exact memory, freshly and by what was guessed before. Return the wire bytes, or `None` for text
    /// that is refused.
    fn encode(&mut self, text: &[u8], canonical: bool) -> Option<Vec<u8>> {
        let text = self.guarded.holding(text);
        let options = EncodeOptions { canonical, nonfinite: true, origin: Origin::Bytes };
        let schema = self.plan.schema();
        let encode = |encoder: &mut Encoder, before: &[u8]| {
            let mut memory = ExactMemory::with(before);
            // SAFETY: these bytes are written.
            let used = unsafe { encoder.write(schema, text, options, &mut memory, before.len()) };
            memory.check();
            used.ok().map(|used| memory.finish(used).split_off(before.len()))
        };
        let fresh = encode(&mut Encoder::default(), b"");
        assert_eq!(encode(&mut self.encoder, BEFORE), fresh);
        assert_eq!(encode(&mut self.encoder, b""), fresh);
        fresh
    }

    /// Print wire bytes in the same way.
    fn print(&mut self, wire: &[u8], fill_required: bool) -> Option<Vec<u8>> {
        let wire = self.guarded.holding(wire);
        let options = PrintOptions { fill_required, nonfinite: true, ..PrintOptions::default() };
        let plan = &self.plan;
        let print = |printer: &mut Printer, before: &[u8]| {
            let mut memory = ExactMemory::with(before);
            // SAFETY: these bytes are written.
            let used = unsafe { printer.write(plan, wire, options, &mut memory, before.len()) };
            memory.check();
            used.ok().map(|used| memory.finish(used).split_off(before.len()))
        };
        let fresh = print(&mut Printer::default(), b"");
        assert_eq!(print(&mut self.printer, BEFORE), fresh);
        assert_eq!(print(&mut self.printer, b""), fresh);
        fresh
    }

    /// Convert a text there and back, and again: what comes out stays the same.
    fn round_trip(&mut self, text: &str) -> Option<Vec<u8>> {
        let wire = self.encode(text.as_bytes(), false)?;
        let sorted = self.encode(text.as_bytes(), true).expect("as before");
        let printed = self.print(&wire, false).expect("what was encoded");
        assert_eq!(self.encode(&printed, true).as_ref(), Some(&sorted), "{text}");
        self.print(&wire, true).expect("what was encoded");
        Some(wire)
    }
}

#[test]
fn random_documents_stay_in_bounds() {
    let mut bounds = Bounds::of_nodes();
    let mut accepted = 0;
    for seed in 0..DOCUMENTS {
        let (mut random, mut text) = (Random::new(seed), String::new());
        object(&mut random, 1, &mut text);
        let Some(wire) = bounds.round_trip(&text) else { continue };
        accepted += 1;
        // Cut anywhere, and with a byte changed anywhere.
        for _ in 0..6 {
            let at = random.below(text.len());
            assert_eq!(bounds.encode(&text.as_bytes()[..at], false), None, "{at} {text}");
            let mut changed = text.clone().into_bytes();
            changed[at] = b"\0\x1f\"\\,:[]{}0-et\x80\xff"[random.below(16)];
            bounds.encode(&changed, false);
            let at = random.below(wire.len() + 1);
            bounds.print(&wire[..at], false);
            let mut changed = wire.clone();
            if let Some(byte) = changed.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
            bounds.print(&changed, true);
        }
    }
    assert!(accepted > DOCUMENTS / 2, "{accepted}");
}

/// Inputs each of which takes one bound to its limit.
#[test]
fn inputs_at_a_limit_stay_in_bounds() {
    let mut bounds = Bounds::of_nodes();
    let sizes = [1, 2, 3, 15, 31, 42, 43, 63, 64, 85, 94, 127, 128, 170, 171, 256, 520, 700];
    for &size in &sizes[if cfg!(miri) { 2..3 } else { 0..sizes.len() }] {
        let empty = "{},".repeat(size);
        let zeros = "0,".repeat(size);
        let level = size % 190;
        let texts = [
            // Objects without members, after values that outgrow their text or not, whole and cut.
            format!("{{\"nodes\":[{empty}{{}}]}}"),
            format!("{{\"doubles\":[{zeros}0],\"nodes\":[{empty}{{}}]}}"),
            format!("{{\"x\":[{zeros}0],\"nodes\":[{empty}{{}}],\"y\":[{}]}}", "[],".repeat(size) + "[]"),
            // Lengths that turn out to take another number of bytes.
            format!("{{\"octets\":[{}255]}}", "255,".repeat(size)),
            format!("{{\"text\":\"{}\"}}", "x".repeat(size)),
            format!("{{\"text\":\"{}\"}}", "\\n".repeat(size)),
            format!("{{\"text\":\"{}\"}}", "\\u0001".repeat(size)),
            format!("{{\"{0}\":\"{0}\",\"a\":{{\"{0}\":\"{0}\"}}}}", "x".repeat(size)),
            format!("{{\"strings\":[\"{}\",{}\"\"]}}", "x".repeat(size), "\"x\",".repeat(size)),
            format!("{{\"last\":\"{}\",\"small\":1,\"text\":\"{}\"}}", "x".repeat(size), "y".repeat(size / 2)),
            format!("{{\"weights\":{{\"{}\":0.5,\"\":1}}}}", "k".repeat(size)),
            // Many short members of an open value, and kept text and bytes behind text that grows.
            format!("{{\"x\":{{{}}}}}", (0..size).map(|at| format!("\"{at}\":null")).collect::<Vec<_>>().join(",")),
            format!("{{\"text\":\"{}\",\"kept\":[\"{}\"]}}", "\\u0001".repeat(size), "y".repeat(3 * size)),
            format!("{{\"text\":\"{}\",\"data\":\"{}\"}}", "\\u0001".repeat(size), "AAAA".repeat(size)),
            // Many brackets after each other behind a long string, and messages that each end with bits.
            nested_in("{\"inner\":", level, &format!("{{\"text\":\"{}\"}}", "x".repeat(127)), "}") + &" ".repeat(300),
            nested_in("{\"nodes\":[", level / 2, &format!("{{\"text\":\"{}\"}}", "x".repeat(150)), "]}")
                + &" ".repeat(300),
            nested_in("{\"last\":null,\"inner\":", level, "{}", "}"),
            format!(
                "{{\"doubles\":[{zeros}0],\"inner\":{}}}",
                nested_in("{\"last\":null,\"inner\":", level, "{}", "}")
            ),
            format!("{{\"x\":{}}}", nested_in("[", level % 24, &format!("\"{}\"", "x".repeat(159)), "]")),
        ];
        let named = ["1", "null", "\"\"", "{}", "[]", "1.5", "[[1]]"]
            .map(|value| format!("{{\"{0}\":{value},\"n\":{{\"{0}\":{value}}}}}", "n".repeat(size)));
        for text in texts.iter().chain(&named) {
            bounds.round_trip(text);
            // Near the end the text is read in a copy, before that where it stands.
            for cut in [1, 2, 3, 17, 64, 192, 255, 256, 257].into_iter().step_by(if cfg!(miri) { 4 } else { 1 }) {
                bounds.encode(&text.as_bytes()[..text.len().saturating_sub(cut)], false);
            }
        }
    }
}

fn nested_in(open: &str, level: usize, inside: &str, close: &str) -> String {
    open.repeat(level) + inside + &close.repeat(level)
}

#[test]
fn strings_are_printed_in_bounds() {
    let mut bounds = Bounds::of_nodes();
    for size in (0..300).step_by(if cfg!(miri) { 99 } else { 1 }) {
        for byte in [1, b'"', b'\\', b'\n', b'a', 0x7f] {
            let string = vec![byte; size];
            for more in [&b""[..], &[2 << 3, 1]] {
                let wire = [bytes(1, &string), more.to_vec()].concat();
                let printed = bounds.print(&wire, false).expect("a message");
                assert!(printed.len() >= 11 + size);
                assert_eq!(bounds.encode(&printed, false), Some(wire));
            }
        }
        // At the end of a message that is too long to be copied, and in one whose fields are put in order.
        for string in [vec![b'a'; size], vec![1; size], "\u{e9}".repeat(size / 2).into_bytes()] {
            let fields = [bytes(1, &[b'x'; 1100]), bytes(62, &string)];
            let printed = bounds.print(&fields.concat(), false).expect("a message");
            assert_eq!(bounds.encode(&printed, false), Some(fields.concat()));
            let turned = [&fields[1][..], &fields[0]].concat();
            assert_eq!(bounds.print(&turned, false), Some(printed));
        }
        // A message in pieces, which the exact half prints.
        let pieces = [bytes(5, &bytes(1, &vec![b'x'; 5 * size])), bytes(5, b"")].concat();
        assert!(bounds.print(&pieces, false).expect("a message").len() >= 20 + 5 * size);
        // Many of them, and as names.
        let entry = [bytes(1, &vec![1; size]), bytes(2, &bytes(3, &vec![b'"'; size]))].concat();
        bounds.print(&bytes(15, &bytes(1, &entry)), false).expect("a message");
        bounds.print(&bytes(17, &vec![31; size]).repeat(9), false).expect("a message");
    }
}

#[test]
fn short_inputs_stay_in_bounds() {
    let mut bounds = Bounds::of_nodes();
    for first in (0..=255).step_by(if cfg!(miri) { 17 } else { 1 }) {
        bounds.encode(&[first], false);
        bounds.print(&[first], false);
        for second in (0..=255).step_by(if cfg!(miri) { 50 } else { 3 }) {
            bounds.encode(&[b'{', first, second], false);
            bounds.print(&[first, second], false);
        }
    }
    bounds.encode(b"", false);
    assert_eq!(bounds.print(b"", false).as_deref(), Some(&b"{}"[..]));
}

#[test]
fn messages_of_the_contract_stay_in_bounds() {
    let mut bounds = Bounds::of("ChatCompletion");
    let sizes: &[usize] = if cfg!(miri) { &[60] } else { &[1, 2, 60, 400, 520, 3000] };
    for &size in sizes {
        let id = bytes(1, &vec![1; size]);
        assert_eq!(
            bounds.print(&id, true).expect("a message").windows(6).filter(|text| text == b"\\u0001").count(),
            size
        );
        let octets = "255,".repeat(size);
        let tokens = format!("{{\"token\":\"\",\"bytes\":[{octets}255],\"logprob\":-0.5}},").repeat(3);
        let choices = "{},".repeat(size);
        for text in [
            format!("{{\"choices\":[{{\"logprobs\":{{\"content\":[{tokens}{{}}]}}}},{choices}{{}}]}}"),
            format!("{{\"choices\":[{choices}{{}}],\"x\":[{}{{}}]}}", "0,".repeat(size)),
        ] {
            assert!(bounds.round_trip(&text).is_some());
            for at in (0..text.len()).rev().take(if cfg!(miri) { 5 } else { 300 }) {
                assert_eq!(bounds.encode(&text.as_bytes()[..at], false), None);
            }
        }
    }
}
