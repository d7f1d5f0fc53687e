//! Names of shadow groups, where the offsets of all lanes but the first are committed.
//!
//! A group has one slot per physical partition, so the siblings of lane 0 need groups of their own. A shadow
//! must have the same coordinator as its group, since one connection goes to one broker, and a transaction
//! must cover both with one partition of `__consumer_offsets`. Kafka picks that partition by Java's
//! `String.hashCode` of the group id (`GroupMetadataManager.partitionFor`), so the name of a shadow ends in a
//! suffix that makes its hash that of the group.
use crate::remapper::Lane;

/// Characters of the suffix. With 7 some hashes cannot be met; with 8 each of the 2^32 can (a test goes
/// through all).
const SUFFIX_CHARS: usize = 8;
/// Between group, lane and suffix.
const SEPARATOR: char = '~';
/// The base of Java's polynomial hash.
const BASE: u64 = 31;

/// The group that holds the offsets of `lane` for `group`: `group` itself for lane 0, else
/// `group~lane~suffix`. The same for everybody at all times, since nothing but the name leads back to these
/// offsets.
pub fn name(group: &str, lane: Lane) -> String {
    if lane.0 == 0 {
        return group.to_owned();
    }
    let prefix = format!("{group}{SEPARATOR}{lane}{SEPARATOR}");
    let shifted = (0..SUFFIX_CHARS).fold(java_hash(&prefix), |hash, _| hash.wrapping_mul(BASE as i32));
    let suffix = suffix(java_hash(group).wrapping_sub(shifted) as u32);
    suffix.into_iter().fold(prefix, |mut name, byte| {
        name.push(char::from(byte));
        name
    })
}

/// What the names of all shadows of `group` begin with.
pub(crate) fn prefix(group: &str) -> String {
    format!("{group}{SEPARATOR}")
}

/// The group and the lane that a shadow stands for; `None` for any other name. Lane 0 has no shadow.
pub fn parse(shadow: &str) -> Option<(&str, Lane)> {
    let (rest, _) = shadow.rsplit_once(SEPARATOR)?;
    let (group, lane) = rest.rsplit_once(SEPARATOR)?;
    let lane = Lane(lane.parse().ok()?);
    (name(group, lane) == shadow).then_some((group, lane))
}

/// Java's `String.hashCode`: over UTF-16 code units, wrapping.
pub(crate) fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| hash.wrapping_mul(BASE as i32).wrapping_add(unit.into()))
}

/// The first suffix in a fixed order whose own hash is `target`. As a plain number, the hash of a suffix is
/// `target` plus some multiple of 2^32.
fn suffix(target: u32) -> [u8; SUFFIX_CHARS] {
    let mut suffix = [b'0'; SUFFIX_CHARS];
    let (lowest, highest) = sums(SUFFIX_CHARS);
    let mut hash = (lowest >> 32 << 32) + u64::from(target);
    while hash <= highest && !fill(&mut suffix, hash) {
        hash += 1 << 32;
    }
    suffix
}

/// Writes letters and digits into `places` whose polynomial is `hash`, from the last one on, which is settled
/// but for at most three choices by the remainder. Depth first, lower characters first; false if there are
/// none.
fn fill(places: &mut [u8], hash: u64) -> bool {
    let (lowest, highest) = sums(places.len());
    let Some((last, others)) = places.split_last_mut() else {
        return hash == 0;
    };
    if hash < lowest || hash > highest {
        return false;
    }
    let first = b'0' + ((hash + BASE - u64::from(b'0') % BASE) % BASE) as u8;
    (first..=b'z').step_by(BASE as usize).filter(u8::is_ascii_alphanumeric).any(|byte| {
        *last = byte;
        hash >= u64::from(byte) && fill(others, (hash - u64::from(byte)) / BASE)
    })
}

/// The lowest and the highest polynomial of so many letters and digits.
fn sums(places: usize) -> (u64, u64) {
    let ones = (0..places).fold(0, |ones, _| ones * BASE + 1);
    (u64::from(b'0') * ones, u64::from(b'z') * ones)
}

#[cfg(test)]
mod tests;
