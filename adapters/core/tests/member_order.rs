//! The order of the members of open values comes back, whatever it is, and two members of one name never pass.

#[path = "support/random.rs"]
mod random;

use chatpb_core::{EncodeOptions, Encoder, PrintOptions, PrintPlan, Printer, Schema, contract};
use random::Random;

/// Names of which each tells others apart in its own place: before, at and behind the eighth byte, and by its size alone.
fn name(family: usize, index: usize) -> String {
    match family {
        0 => format!("{index}"),
        1 => format!("{index:02}_of_many_bytes"),
        2 => format!("the_same{index}"),
        3 => "n".repeat(index),
        4 => format!("{}é{index}", "s".repeat(index % 9)),
        _ => format!("of_sixteen_bytes{}", "x".repeat(index)),
    }
}
const FAMILIES: usize = 6;

fn shuffled(random: &mut Random, count: usize) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        indices.swap(last, random.below(last + 1));
    }
    indices
}

/// Return an object of members in a random order, whose values are as many objects inside it as `depth` says.
fn object(random: &mut Random, family: usize, count: usize, value: &str, depth: usize) -> String {
    let members: Vec<String> = shuffled(random, count)
        .into_iter()
        .map(|index| {
            let inner = match depth {
                0 => value.to_owned(),
                _ if index % 3 == 0 => object(random, (family + 1) % FAMILIES, count.min(5), value, depth - 1),
                _ => format!("[0,{}]", object(random, family, index.min(4), value, 0)),
            };
            format!("\"{}\":{inner}", name(family, index))
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

struct Codec(PrintPlan, Encoder, Printer);

impl Codec {
    fn new() -> Codec {
        let schema = Schema::new(contract(), "chatcompletion.v1.ChatCompletion").expect("a message of the contract");
        Codec(PrintPlan::new(schema), Encoder::default(), Printer::default())
    }

    fn wire(&mut self, text: &str) -> Option<Vec<u8>> {
        let Codec(plan, encoder, _) = self;
        let wire = encoder.json_to_wire(plan.schema(), text.as_bytes(), EncodeOptions::default());
        wire.ok().map(<[u8]>::to_vec)
    }

    fn text(&mut self, wire: &[u8]) -> String {
        let Codec(plan, _, printer) = self;
        let text = printer.wire_to_json(plan, wire, PrintOptions::default()).expect("a valid message");
        String::from_utf8(text.to_vec()).expect("UTF-8")
    }
}

/// Values of every home: in `additional_properties` and, for what a google.protobuf.Value cannot hold, in
/// `verbatim_properties`.
const VALUES: &[&str] = &["true", "null", "\"a string\"", "0.5", "9007199254740993"];

/// More members than places fit a word, and a length that takes two bytes.
const COUNTS: std::ops::Range<usize> = 0..20;

#[test]
fn every_order_comes_back() {
    let (mut codec, mut random) = (Codec::new(), Random::new(1));
    for family in 0..FAMILIES {
        for count in COUNTS.step_by(if cfg!(miri) { 8 } else { 1 }) {
            for (value, depth) in VALUES.iter().flat_map(|value| [(value, 0), (value, 2)]) {
                let text = object(&mut random, family, count, value, depth);
                // The outermost members are open ones too; those of the two homes print behind each other.
                for text in [format!("{{\"vendor\":{text}}}"), format!("{{\"id\":\"a\",\"vendor\":[{text}]}}"), text] {
                    let wire = codec.wire(&text).expect(&text);
                    assert_eq!(codec.text(&wire), text);
                }
            }
        }
    }
}

#[test]
fn two_homes_have_an_order_each() {
    let (mut codec, mut random) = (Codec::new(), Random::new(2));
    for count in COUNTS {
        let order = shuffled(&mut random, count);
        let member = |index: usize| format!("\"{}\":{}", name(2, index), VALUES[index % 2 * 4]);
        let text =
            |order: &mut dyn Iterator<Item = usize>| format!("{{{}}}", order.map(member).collect::<Vec<_>>().join(","));
        let wire = codec.wire(&text(&mut order.iter().copied())).expect("acceptable JSON");
        let [additional, verbatim] = [0, 1].map(|home| order.iter().copied().filter(move |index| index % 2 == home));
        assert_eq!(codec.text(&wire), text(&mut additional.chain(verbatim)));
    }
}

#[test]
fn two_members_of_one_name_are_refused() {
    let (mut codec, mut random) = (Codec::new(), Random::new(3));
    for family in 0..FAMILIES {
        for count in COUNTS {
            let other = random.below(count.max(1));
            let mut members: Vec<String> = shuffled(&mut random, count)
                .into_iter()
                .map(|index| format!("\"{}\":{}", name(family, index), VALUES[random.below(VALUES.len())]))
                .collect();
            let object = |members: &[String]| format!("{{{}}}", members.join(","));
            assert!(codec.wire(&object(&members)).is_some());
            members.insert(random.below(count + 1), format!("\"{}\":1", name(family, other)));
            let is_one = count == 0;
            assert_eq!(codec.wire(&object(&members)).is_some(), is_one, "{}", object(&members));
            assert_eq!(codec.wire(&format!("{{\"vendor\":[{}]}}", object(&members))).is_some(), is_one);
        }
    }
}

/// Bits that do not fit the objects count as none; what is printed is a document of the same members either way.
#[test]
fn damaged_orders_lose_nothing() {
    let (mut codec, mut random) = (Codec::new(), Random::new(4));
    let sorted = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.sort_unstable();
        bytes
    };
    for count in [2, 3, 5, 8, 9, 16, 17] {
        let text = format!("{{\"vendor\":{}}}", object(&mut random, 2, count, "1", 1));
        let wire = codec.wire(&text).expect("acceptable JSON");
        // The field 12 comes first: a tag, a length and the bits.
        let size = usize::from(wire[1]);
        assert_eq!(wire[0], 12 << 3 | 2);
        assert!(size < 128);
        let without = codec.text(&wire[2 + size..]);
        assert_eq!(codec.text(&[&[98, 1, 0], &wire[2 + size..]].concat()), without);
        for bit in 0..8 * size {
            let mut damaged = wire.clone();
            damaged[2 + bit / 8] ^= 1 << (bit % 8);
            let printed = codec.text(&damaged);
            assert_ne!(printed, text);
            assert_eq!(sorted(&printed), sorted(&text));
            // It is a fixed point: the order that it is printed in is the one that it keeps.
            let again = codec.wire(&printed).expect("acceptable JSON");
            assert_eq!(codec.text(&again), printed);
        }
        for longer in [&[0x01][..], &[0, 0, 0, 0, 0, 0, 0, 0x80]] {
            let bits = [&wire[2..2 + size], longer].concat();
            let damaged = [&[98, bits.len() as u8][..], &bits, &wire[2 + size..]].concat();
            assert_eq!(codec.text(&damaged), without);
        }
    }
}
