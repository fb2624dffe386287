//! Prints a digest of the outcomes of each thousand random cases of a function, so that programs for different instruction
//! sets can be compared: `outcomes SEEDS FUNCTION FIRST COUNT`. `outcomes SEEDS FUNCTION CASE` prints one case whole.
//! `python -m tests.engine.instruction_sets` writes the seeds and compares.
//!
//! A line of the seeds is `seed FUNCTION TYPE INPUT`, `token TEXT-OR-WIRE BYTES` or `column TYPE KIND PATHS`. A case is a seed
//! that is changed at a few places. It is made from its number alone, on every machine.

#[path = "../tests/support/outcomes.rs"]
mod outcomes;
#[path = "../tests/support/random.rs"]
mod random;

use chatpb_core::instruction_set;
use outcomes::{Codec, from_hex, hex};
use random::Random;
use std::collections::HashMap;

const SHARE: u64 = 1000;
/// Bytes of an input. Longer ones are cut.
const MOST: usize = 3000;
/// Texts, of which tokens of text are tokens, and lines of which are documents.
const TEXTS: &[&str] = &["encode", "lines", "text_rows", "accumulate", "split"];

struct Seeds {
    inputs: Vec<(String, Vec<u8>)>,
    tokens: Vec<Vec<u8>>,
    codecs: HashMap<String, Codec>,
    completions: Codec,
    function: String,
}

impl Seeds {
    fn read(file: &str, function: &str) -> Seeds {
        let everything = include_bytes!("../tests/reference/everything.binpb");
        let text = std::fs::read_to_string(file).expect("the seeds");
        let kind = if TEXTS.contains(&function) { "text" } else { "wire" };
        let (mut inputs, mut tokens) = (Vec::new(), Vec::new());
        let mut codecs = HashMap::<String, Codec>::new();
        for line in text.lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["seed", of, name, input] if of == function => {
                    codecs.entry(name.to_owned()).or_insert_with(|| Codec::new(name, everything));
                    inputs.push((name.to_owned(), from_hex(input)));
                }
                ["token", of, bytes] if of == kind => tokens.push(from_hex(bytes)),
                _ => {}
            }
        }
        if function == "columns" {
            codecs.iter_mut().for_each(|(name, codec)| codec.read_columns(name, &text));
        }
        assert!(!inputs.is_empty() && !tokens.is_empty(), "no seeds of {function}");
        let completions = Codec::new("ChatCompletion", everything);
        Seeds { inputs, tokens, codecs, completions, function: function.to_owned() }
    }

    /// Return the type, the options and the input of a case.
    fn case(&mut self, number: u64) -> (String, usize, Box<[u8]>) {
        let mut random = Random::new(number);
        let (name, input) = self.inputs[random.below(self.inputs.len())].clone();
        let mut input = input;
        let gentle = random.below(3) > 0;
        for _ in 0..[0, 1, 1, 1, 2, 2, 5][random.below(7)] {
            if gentle { change_gently(&mut random, &mut input) } else { self.change(&mut random, &mut input) }
        }
        input.truncate(MOST);
        let options = random.below(32);
        match self.function.as_str() {
            // The functions take text as a printer writes it.
            "accumulate" => {
                let codec = self.codecs.get_mut(&name).expect("a codec");
                let lines = input.split(|&byte| byte == b'\n').filter_map(|line| codec.printed(line));
                input = lines.collect::<Vec<_>>().join(&b'\n');
                input = if input.is_empty() { b"{}".to_vec() } else { input };
            }
            "split" => input = self.completions.printed(&input).unwrap_or_else(|| b"{}".to_vec()),
            _ => {}
        }
        (name, if self.function == "split" { options % 8 } else { options }, input.into())
    }

    fn change(&self, random: &mut Random, input: &mut Vec<u8>) {
        let at = random.below(input.len() + 1);
        let end = (at + [1, 1, 2, 5, 30][random.below(5)]).min(input.len());
        let token = &self.tokens[random.below(self.tokens.len())];
        match random.below(8) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..end)),
            2 => drop(input.splice(at..at, input[at..end].to_vec())),
            3 => drop(input.splice(at..at, token.iter().copied())),
            4 => drop(input.splice(at..end, token.iter().copied())),
            5 | 6 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            // A part of another input, which may be of another type.
            _ => {
                let (_, other) = &self.inputs[random.below(self.inputs.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(100)).min(other.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
        }
    }

    fn outcome(&mut self, name: &str, options: usize, input: &[u8]) -> Vec<u8> {
        self.codecs.get_mut(name).expect("a codec").outcome(&self.function, options, input)
    }
}

/// Change an input to one that is still valid, mostly: a digit is another, a string starts with another letter or is longer, so
/// that what follows stands elsewhere in its block.
fn change_gently(random: &mut Random, input: &mut Vec<u8>) {
    let at = random.below(input.len() + 1);
    let found = |is: &dyn Fn(usize) -> bool| (at.max(1)..input.len()).find(|&place| is(place));
    let starts_string = |place: usize| input[place] == b'"' && b"{[:,".contains(&input[place - 1]);
    let longer = vec![b'y'; random.below(70)];
    let is_text = input.first() == Some(&b'{');
    if is_text && random.below(3) > 0 {
        if let Some(quote) = found(&starts_string) {
            input.splice(quote + 1..quote + 1, longer);
        }
    } else if let Some(place) = found(&|place| input[place].is_ascii_digit()) {
        input[place] = b'1' + random.below(9) as u8;
    } else if let Some(place) = found(&|place| !is_text && input[place].is_ascii_lowercase()) {
        input[place] = b'a' + random.below(26) as u8;
    }
}

/// Add bytes to a digest of the kind FNV.
fn digest(mut state: u64, bytes: &[u8]) -> u64 {
    for &byte in bytes {
        state = (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    (state ^ 0xff).wrapping_mul(0x100_0000_01b3)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => println!("{}", instruction_set()),
        [seeds, function, number] => {
            let mut seeds = Seeds::read(seeds, function);
            let (name, options, input) = seeds.case(number.parse().expect("a number"));
            let outcome = seeds.outcome(&name, options, &input);
            println!("{name} {options} {} {}", hex(&input), hex(&outcome));
        }
        [seeds, function, first, count] => {
            let mut seeds = Seeds::read(seeds, function);
            let [first, count]: [u64; 2] = [first, count].map(|number| number.parse().expect("a number"));
            for start in (first..first + count).step_by(SHARE as usize) {
                let (mut state, mut results) = (0, 0);
                let end = (start + SHARE).min(first + count);
                for number in start..end {
                    let (name, options, input) = seeds.case(number);
                    let outcome = seeds.outcome(&name, options, &input);
                    // Validation has a list in place of a result.
                    results += u64::from(outcome[0] == b'=' || outcome == b"!");
                    state = digest(state, &outcome);
                }
                println!("{start} {} {results} {state:016x}", end - start);
            }
        }
        _ => panic!("outcomes SEEDS FUNCTION FIRST COUNT, or outcomes SEEDS FUNCTION CASE"),
    }
}
