//! Settings of topics whose values name replicas, as in `0:1,3:2`: partition and broker of each. Brokers
//! count physical partitions there, and clients virtual ones.

use std::collections::HashSet;

use crate::limits;
use crate::remapper::{Lane, PartitionRemapper, PhysicalPartition};

/// What a reassignment throttles (KIP-73).
const SETTINGS: [&str; 2] = ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"];

/// Whether values of this setting of a topic name replicas.
pub(crate) fn is_setting(name: &str) -> bool {
    SETTINGS.contains(&name)
}

/// Whether `value` names replicas one by one: none and all (`*`) are the same in both numberings.
pub(crate) fn names_partitions(value: &str) -> bool {
    !["", "*"].contains(&value.trim())
}

/// `value`, a list of virtual partitions' replicas, as the brokers have it: what siblings share is named
/// once.
///
/// # Errors
/// The first entry that is no replica of a partition that `place` knows.
pub(crate) fn to_physical(value: &str, place: impl Fn(i32) -> Option<PhysicalPartition>) -> Result<String, &str> {
    let mut seen = HashSet::new();
    let mut list = String::new();
    for entry in entries(value) {
        let (partition, broker) = parse(entry).ok_or(entry)?;
        let partition = place(partition).ok_or(entry)?;
        if seen.insert((partition, broker)) {
            push(&mut list, partition.0, broker);
        }
    }
    Ok(list)
}

/// `value`, a list of the brokers', as clients have it: with all siblings. None: it cannot be told, since it
/// is none of `mapping`, or longer than `room`, or than a string may be.
///
/// `room`: bytes that may still be written. What was written counts also where it turned out that the list
/// cannot be told.
pub(crate) fn to_virtual(value: &str, mapping: &PartitionRemapper, room: &mut usize) -> Option<String> {
    let mut list = String::new();
    let told = write_virtual(value, mapping, (*room).min(limits::STRING_BYTES_MAX), &mut list);
    *room = room.saturating_sub(list.len());
    told.map(|()| list)
}

/// None: as [`to_virtual`]. `list` is then whatever was written until that was clear.
fn write_virtual(value: &str, mapping: &PartitionRemapper, bytes_max: usize, list: &mut String) -> Option<()> {
    for entry in entries(value) {
        let (partition, broker) = parse(entry)?;
        for lane in 0..mapping.lanes() {
            let partition = mapping.physical_to_virtual(PhysicalPartition(partition), Lane(lane)).ok()?;
            push(list, partition.0, broker);
            if list.len() > bytes_max {
                return None;
            }
        }
    }
    Some(())
}

/// Kafka takes entries that are empty for none.
fn entries(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn parse(entry: &str) -> Option<(i32, i32)> {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let (partition, broker) = entry.split_once(':')?;
    Some((number(partition)?, number(broker)?))
}

fn push(list: &mut String, partition: i32, broker: i32) {
    if !list.is_empty() {
        list.push(',');
    }
    list.push_str(&partition.to_string());
    list.push(':');
    list.push_str(&broker.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remapper::{Layout, OffsetEncoding, VirtualPartition};

    fn mapping(layout: Layout) -> PartitionRemapper {
        PartitionRemapper::new(6, 2, 1 << 40, layout, OffsetEncoding::Identity).unwrap()
    }

    fn physical(value: &str, layout: Layout) -> Result<String, &str> {
        let mapping = mapping(layout);
        to_physical(value, |v| Some(mapping.virtual_to_physical(VirtualPartition(v)).ok()?.0))
    }

    #[test]
    fn none_and_all_are_the_same_to_everybody() {
        for value in ["", " ", "*", " * "] {
            assert!(!names_partitions(value));
        }
        assert!(names_partitions("0:1") && names_partitions(","));
    }

    #[test]
    fn siblings_are_one_replica_on_the_brokers() {
        assert_eq!(physical("0:1,2:1, 4:1 ,1:2,0:2,", Layout::Modulo), Ok("0:1,1:2,0:2".to_owned()));
        assert_eq!(physical("0:1,1:1,2:1,3:1", Layout::Block), Ok("0:1,1:1".to_owned()));
        for (value, wrong) in [
            ("0:1,6:1", "6:1"),
            ("x", "x"),
            ("0:1,-1:2", "-1:2"),
            ("1", "1"),
            ("1:", "1:"),
            ("99999999999:1", "99999999999:1"),
        ] {
            assert_eq!(physical(value, Layout::Modulo), Err(wrong));
        }
    }

    #[test]
    fn clients_see_all_siblings_or_nothing() {
        let told = |value, layout| to_virtual(value, &mapping(layout), &mut 100);
        assert_eq!(told("0:1,1:2", Layout::Modulo).as_deref(), Some("0:1,2:1,4:1,1:2,3:2,5:2"));
        assert_eq!(told("1:2", Layout::Block).as_deref(), Some("3:2,4:2,5:2"));
        for unclear in ["2:1", "0", "*", "0:1,1:2x"] {
            assert_eq!(told(unclear, Layout::Modulo), None);
        }
        assert_eq!(to_virtual("0:1", &mapping(Layout::Modulo), &mut 10), None);
        assert_eq!(to_virtual("0:1", &mapping(Layout::Modulo), &mut 11).as_deref(), Some("0:1,2:1,4:1"));
        let wide = PartitionRemapper::new(1 << 20, 1, 1 << 30, Layout::Modulo, OffsetEncoding::Identity).unwrap();
        let mut room = 100_000;
        assert_eq!(to_virtual("0:1", &wide, &mut room), None, "no string is that long");
        assert!(room < 100_000 - limits::STRING_BYTES_MAX, "what was written counts all the same");
        for (value, left) in [("0:1", 100 - 11), ("0:1,x", 100 - 11), ("x", 100)] {
            let mut room = 100;
            to_virtual(value, &mapping(Layout::Modulo), &mut room);
            assert_eq!(room, left, "{value}");
        }
        for mut room in [0, 1] {
            assert_eq!(to_virtual("0:1,1:1", &mapping(Layout::Modulo), &mut room), None);
            assert_eq!(room, 0);
        }
    }
}
