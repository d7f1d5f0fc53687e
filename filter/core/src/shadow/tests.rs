//! Hashes against values of a JVM, names against the promise that makes them work: the same hash as their
//! group.
use super::*;
use crate::limits::LANES_MAX;
use proptest::prelude::*;

fn check(group: &str, lane: u32) {
    let shadow = name(group, Lane(lane));
    let suffix = shadow.strip_prefix(&format!("{group}~{lane}~")).unwrap();
    assert_eq!(suffix.len(), 8);
    assert!(suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{suffix}");
    assert_eq!(java_hash(&shadow), java_hash(group), "{shadow}");
    assert_eq!(parse(&shadow), Some((group, Lane(lane))));
}

#[test]
fn hashes_as_java_does() {
    assert_eq!(java_hash(""), 0);
    assert_eq!(java_hash("a"), 97);
    assert_eq!(java_hash("hello"), 99_162_322);
    assert_eq!(java_hash("polygenelubricants"), i32::MIN);
    assert_eq!(java_hash("é"), 233);
    assert_eq!(java_hash("😀"), 0xd83d * 31 + 0xde00); // two UTF-16 units
}

/// The names lead to committed offsets: a change of these would lose them.
#[test]
fn names_never_change() {
    assert_eq!(name("orders", Lane(0)), "orders");
    assert_eq!(name("orders", Lane(1)), "orders~1~0ANCIBzZ");
    assert_eq!(name("orders", Lane(12)), "orders~12~111C621D");
    assert_eq!(name("", Lane(1)), "~1~0DBAB0zN");
    assert_eq!(name("größe😀", Lane(LANES_MAX)), "größe😀~8388607~0JDAGJMA");
}

#[test]
fn shadows_of_unusual_groups() {
    let long = "x".repeat(249);
    for group in ["", "~", "a~1~b", "G~1", "😀", "\0", &long, &name("orders", Lane(3))] {
        [1, 2, 9, 10, 255, 256, LANES_MAX].into_iter().for_each(|lane| check(group, lane));
    }
}

#[test]
fn what_is_no_shadow() {
    let shadow = name("orders", Lane(12));
    let suffix = shadow.rsplit_once('~').unwrap().1;
    assert_eq!(parse(&shadow), Some(("orders", Lane(12))));
    for other in [
        "",
        "~",
        "~~",
        "orders",
        "orders~12",
        "orders~12~",
        "orders~0~",
        "orders~12~00000000",
        "orders~12~ab€cdef",
        &shadow[1..],
        &shadow[..shadow.len() - 1],
        &format!("{shadow}0"),
        &format!("orders~+12~{suffix}"),
        &format!("orders~012~{suffix}"),
        &format!("orders~13~{suffix}"),
        &format!("orders~-12~{suffix}"),
        &format!("Orders~12~{suffix}"),
        &format!("orders~99999999999999999999~{suffix}"),
    ] {
        assert_eq!(parse(other), None, "{other}");
    }
}

#[test]
fn the_corners_of_the_hash_have_suffixes() {
    for target in (0..1000).chain(u32::MAX - 1000..=u32::MAX).chain((0..1000).map(|n| n * 4_294_967)) {
        assert_eq!(java_hash(std::str::from_utf8(&suffix(target)).unwrap()) as u32, target);
    }
}

/// Why `suffix` needs no answer for "none": it tries everything, and for each hash there is something to
/// find. Goes through all 2^32, as two halves of four characters each. About a minute in a release build, so
/// only on demand.
#[test]
#[ignore = "a minute in a release build"]
fn every_hash_has_a_suffix_which_takes_a_minute() {
    let digits: Vec<u64> = (b'0'..=b'z').filter(u8::is_ascii_alphanumeric).map(u64::from).collect();
    let (lowest, highest) = sums(4);
    let mut is_half = vec![false; highest as usize + 1];
    let pairs: Vec<u64> = digits.iter().flat_map(|a| digits.iter().map(move |b| a * BASE + b)).collect();
    for first in &pairs {
        pairs.iter().for_each(|last| is_half[(first * BASE * BASE + last) as usize] = true);
    }
    let shift = BASE.pow(4);
    let has_suffix = |hash: u64| {
        let lasts = (lowest + (hash + shift - lowest % shift) % shift..=highest).step_by(shift as usize);
        let halves = |last: u64| is_half[last as usize] && is_half.get(((hash - last) / shift) as usize) == Some(&true);
        lasts.into_iter().any(halves)
    };
    let middle = ((sums(8).0 + sums(8).1) / 2) >> 32;
    for target in 0..1 << 32 {
        assert!((middle..middle + 50).any(|lap| has_suffix((lap << 32) + target)), "{target}");
    }
}

proptest! {
    #[test]
    fn any_group_and_lane(group in any::<String>(), lane in 1..=LANES_MAX) {
        check(&group, lane);
    }

    #[test]
    fn groups_as_people_name_them(group in "[a-zA-Z0-9._-]{0,249}", lane in 1..300_u32) {
        check(&group, lane);
    }

    #[test]
    fn any_name_parses_or_not(name in any::<String>(), shape in "[a-z~]{0,4}~[0-9]{0,11}~[a-zA-Z0-9]{0,9}") {
        prop_assert_eq!(parse(&name), None);
        parse(&shape);
    }
}
