//! Random documents of the type `t.Node`, which has a field of every kind, and itself inside.

#![allow(dead_code)] // each test file uses what it needs

/// A generator of the kind xorshift.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Return a number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The same numbers on every machine, also where `usize` has 32 bits.
        ((self.0 >> 11) % limit.max(1) as u64) as usize
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Return a size, mostly one where something changes: a block, the room that is reserved, the size of a length.
    fn size(&mut self) -> usize {
        let near = self.of(&[0, 1, 3, 8, 15, 16, 31, 32, 33, 62, 64, 96, 126, 128, 130, 160, 191, 256, 300, 512]);
        (near + self.below(3)).saturating_sub(1)
    }
}

const NAMES: &[&str] = &[
    "text",
    "count",
    "color",
    "nodes",
    "inner",
    "doubles",
    "octets",
    "data",
    "kept",
    "weights",
    "union",
    "strings",
    "large",
    "flag",
    "small",
    "ratio",
    "colors",
    "last",
    "a_name_of_more_than_the_thirty-two_bytes",
];

/// Append a document, or an object inside one.
pub fn object(random: &mut Random, depth: usize, out: &mut String) {
    out.push('{');
    let mut names: Vec<String> = NAMES.iter().map(|&name| name.to_owned()).collect();
    names.extend((0..3).map(|n| format!("{n}{}", "x".repeat(random.size()))));
    names.push("\\u00e9\\n".to_owned());
    let count = random.of(&[0, 1, 2, 4, 9]);
    for at in 0..count {
        let name = names.swap_remove(random.below(names.len()));
        if at > 0 {
            out.push_str(random.of(&[",", ",", ", ", " ,\n"]));
        }
        out.push_str(&format!("\"{name}\"{}", random.of(&[":", ":", ": ", " :  "])));
        // Mostly a value that fits the member.
        match name.as_str() {
            _ if random.below(9) == 0 => value(random, depth + 1, out),
            _ if random.below(9) == 0 => out.push_str("null"),
            "text" | "last" | "union" => string(random, out),
            "count" | "large" | "small" => number(random, out),
            "color" => out.push_str(random.of(&["\"red\"", "\"blue\"", "\"green\"", "\"\\u0072ed\""])),
            "nodes" if depth < 30 => items(random, out, |random, out| object(random, depth + 2, out)),
            "inner" if depth < 30 => object(random, depth + 1, out),
            "doubles" | "octets" => items(random, out, |random, out| {
                let octet = random.below(256);
                out.push_str(&octet.to_string());
            }),
            "strings" => items(random, out, string),
            "colors" => items(random, out, |random, out| out.push_str(random.of(&["\"red\"", "\"blue\""]))),
            "data" => out.push_str(random.of(&["\"\"", "\"QUI=\"", "\"QUI\"", "\"QUJDQUJDQUJDQUJD\""])),
            "weights" => out.push_str(random.of(&["{}", "{\"a\":0.5,\"\":-0.0}", "{\"a\":1e300}"])),
            "flag" => out.push_str(random.of(&["true", "false", "0"])),
            _ => value(random, depth + 1, out),
        }
    }
    out.push('}');
}

fn items(random: &mut Random, out: &mut String, mut item: impl FnMut(&mut Random, &mut String)) {
    out.push('[');
    let count = random.of(&[0, 1, 2, 3, 20]);
    for at in 0..count {
        if at > 0 {
            out.push(',');
        }
        // What is large comes before many that are small.
        if out.len() < 20_000 { item(random, out) } else { out.push_str("{}") }
    }
    out.push(']');
}

fn value(random: &mut Random, depth: usize, out: &mut String) {
    match random.below(8) {
        0 => out.push_str(random.of(&["true", "false", "null"])),
        1 | 2 => number(random, out),
        3 if depth < 60 => items(random, out, |random, out| value(random, depth + 1, out)),
        4 if depth < 60 => {
            out.push('{');
            string(random, out);
            out.push(':');
            value(random, depth + 1, out);
            out.push('}');
        }
        5 => {
            let depth = random.size() % 120;
            let (open, close) = random.of(&[("[", "]"), ("{\"a\":", "}"), ("{\"inner\":", "}")]);
            let inside = if open == "[" { "" } else { "{}" };
            out.push_str(&format!("{}{inside}{}", open.repeat(depth), close.repeat(depth)));
            if depth == 0 {
                out.push_str(if inside.is_empty() { "0" } else { "" });
            }
        }
        _ => string(random, out),
    }
}

fn number(random: &mut Random, out: &mut String) {
    let digits = random.of(&[1, 2, 7, 8, 9, 15, 16, 17, 19, 20, 21, 40]);
    out.push_str(random.of(&["", "", "-"]));
    let first = 1 + random.below(9);
    out.push_str(&first.to_string());
    (1..digits).for_each(|_| out.push(char::from(b'0' + random.below(10) as u8)));
    out.push_str(random.of(&["", "", "", ".5", "e2", ".0625E-3", "e400"]));
}

fn string(random: &mut Random, out: &mut String) {
    out.push('"');
    let (mut left, special) = (random.size(), random.below(3) * 7);
    while left > 0 {
        let plain = if special == 0 { left } else { random.below(special * 3).min(left) };
        out.push_str(&"p".repeat(plain));
        left -= plain;
        if left > 0 {
            out.push_str(random.of(&["\\n", "\\\"", "\\u0001", "é", "\\ud83d\\ude00", "\u{1f600}", "\\\\", "\\ud800"]));
            left -= 1;
        }
    }
    out.push('"');
}
