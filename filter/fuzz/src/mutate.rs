//! Inputs out of seeds without a compiler's help: what libFuzzer does, less the coverage. The same seed
//! number gives the same inputs on every machine.

use std::fs;
use std::path::{Path, PathBuf};

/// Pseudo-random numbers (xorshift64*).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        // 0 would stay 0.
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `end`; 0 for an `end` of 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.next().checked_rem(end as u64).unwrap_or(0) as usize
    }

    fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// Lengths and counts at which parsers go wrong.
const BOUNDARIES: [i64; 17] = [
    -1,
    0,
    1,
    2,
    i8::MIN as i64,
    i8::MAX as i64,
    u8::MAX as i64,
    i16::MIN as i64,
    i16::MAX as i64,
    u16::MAX as i64,
    (512 << 10) - 1,
    512 << 10,
    (512 << 10) + 1,
    200_000,
    i32::MIN as i64,
    i32::MAX as i64,
    u32::MAX as i64,
];

/// What inputs are made of.
pub struct Source {
    seeds: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
    bytes_max: usize,
}

impl Source {
    /// The seeds of a target, and the words of all.
    pub fn of(target: &str, bytes_max: usize) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let dictionary = fs::read_to_string(root.join("dictionary.txt")).expect("the dictionary");
        let words = dictionary.lines().filter(|line| line.starts_with('"')).map(word).collect();
        let files = files(&root.join("seeds").join(target));
        let seeds = files.iter().map(|path| fs::read(path).expect("a seed")).collect();
        Self { seeds, words, bytes_max }
    }

    /// Seeds as they are, one after the other; then what became of some.
    pub fn input(&self, number: u64, random: &mut Random) -> Vec<u8> {
        if let Some(seed) = usize::try_from(number).ok().and_then(|number| self.seeds.get(number)) {
            return seed.clone();
        }
        let mut bytes = if self.seeds.is_empty() { vec![] } else { random.one_of(&self.seeds).clone() };
        for _ in 0..1 + random.below(6) {
            self.mutate(&mut bytes, random);
        }
        bytes.truncate(self.bytes_max);
        bytes
    }

    fn mutate(&self, bytes: &mut Vec<u8>, random: &mut Random) {
        let at = random.below(bytes.len() + 1);
        let end = at + random.below(bytes.len() - at + 1);
        match random.below(10) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.below(256) as u8,
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let copy = bytes[at..end].to_vec();
                insert(bytes, at, &copy);
            }
            5 => insert(bytes, at, &vec![random.below(256) as u8; 1 << random.below(10)]),
            6 if !self.seeds.is_empty() => {
                let other = random.one_of(&self.seeds);
                let from = random.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            7 => number(bytes, at, random),
            8 if !self.words.is_empty() => {
                let word = random.one_of(&self.words);
                bytes.drain(at..end.min(at + word.len()));
                insert(bytes, at, word);
            }
            _ if !self.words.is_empty() => {
                let word = random.one_of(&self.words);
                insert(bytes, at, word);
            }
            _ => {}
        }
    }
}

/// Writes a boundary over what stands at `at`, in 1, 2 or 4 bytes or as a varint.
fn number(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    let value = *random.one_of(&BOUNDARIES);
    let written = match random.below(4) {
        0 => vec![value as u8],
        1 => (value as i16).to_be_bytes().to_vec(),
        2 => (value as i32).to_be_bytes().to_vec(),
        _ => varint(value as u32 as usize),
    };
    let end = bytes.len().min(at + written.len());
    bytes.splice(at..end, written);
}

/// An unsigned number of variable length, as Kafka writes it.
pub fn varint(mut value: usize) -> Vec<u8> {
    let mut out = vec![];
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn insert(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    bytes.splice(at..at, what.iter().copied());
}

/// A line of a dictionary in libFuzzer's form: quoted, with `\\`, `\"` and `\xAB`.
fn word(line: &str) -> Vec<u8> {
    let quoted = line.trim_end().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).expect("a quoted word");
    let (mut out, mut rest) = (vec![], quoted.as_bytes());
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match (byte, rest) {
            (b'\\', [b'x', high, low, behind @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).expect("hexadecimal digits");
                out.push(u8::from_str_radix(digits, 16).expect("hexadecimal digits"));
                rest = behind;
            }
            (b'\\', [literal, behind @ ..]) => {
                out.push(*literal);
                rest = behind;
            }
            _ => out.push(*byte),
        }
    }
    out
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory of seeds");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}
