//! The mapping as a table of known values, and as properties over random ones.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const RANGE: i64 = 1 << 40;

fn remapper(v: i32, p: i32, layout: Layout, encoding: OffsetEncoding) -> PartitionRemapper {
    PartitionRemapper::new(v, p, RANGE, layout, encoding).unwrap()
}

fn refused(v: i32, p: i32, range: i64) -> String {
    PartitionRemapper::new(v, p, range, Layout::Modulo, OffsetEncoding::Identity).unwrap_err().to_string()
}

#[test]
fn modulo_deals_partitions_round_and_block_in_runs() {
    let modulo = remapper(6, 3, Layout::Modulo, OffsetEncoding::Identity);
    let block = remapper(6, 3, Layout::Block, OffsetEncoding::Identity);
    let places = |remapper: &PartitionRemapper| -> Vec<(i32, u32)> {
        (0..6)
            .map(|v| remapper.virtual_to_physical(VirtualPartition(v)).unwrap())
            .map(|(p, lane)| (p.0, lane.0))
            .collect()
    };
    assert_eq!(places(&modulo), [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)]);
    assert_eq!(places(&block), [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]);
}

#[test]
fn impossible_mappings_say_what_would_be_right() {
    for (v, p, range, text) in [
        (10, 0, RANGE, "physical_partitions: 0 is less than 1"),
        (10, -1, RANGE, "physical_partitions: -1 is less than 1"),
        (3, 4, RANGE, "virtual_partitions: 3 is less than physical_partitions 4"),
        (i32::MIN, 1, RANGE, "virtual_partitions: -2147483648 is less than physical_partitions 1"),
        (30, 4, RANGE, "virtual_partitions: 30 is not a multiple of physical_partitions 4"),
        (
            1 << 23,
            1,
            OFFSET_RANGE_MIN,
            "virtual_partitions: 8388608 puts 8388608 on each of physical_partitions 1; at most 8388607 can share one",
        ),
        (10, 10, OFFSET_RANGE_MIN - 1, "offset_range: 1048575 is less than 1048576 (2^20)"),
        (10, 10, -1, "offset_range: -1 is less than 1048576 (2^20)"),
        (
            20,
            10,
            (1 << 62) + 1,
            "offset_range: 4611686018427387905 is more than 4611686018427387904; 2 virtual partitions share \
             a physical one, and all their offsets must stay below 2^63",
        ),
    ] {
        assert_eq!(refused(v, p, range), text);
    }
}

#[test]
fn the_largest_mappings_are_accepted() {
    let max = LANES_MAX as i32;
    for (v, p, range) in [(max, 1, 1 << 40), (1, 1, i64::MAX), (2, 1, 1 << 62), (i32::MAX, i32::MAX, RANGE)] {
        let built = PartitionRemapper::new(v, p, range, Layout::Block, OffsetEncoding::Lane);
        assert!(built.is_ok(), "{v} {p} {range}");
    }
    let two = PartitionRemapper::new(2, 1, 1 << 62, Layout::Modulo, OffsetEncoding::Lane).unwrap();
    assert_eq!(two.physical_to_virtual_offset(Lane(1), (1 << 62) - 1), Ok(i64::MAX));
    assert_eq!(two.virtual_to_physical_offset(Lane(1), i64::MAX), Ok((1 << 62) - 1));
    assert!(two.virtual_to_physical_offset(Lane(0), i64::MAX).is_err());
}

#[test]
fn errors_name_their_numbers() {
    let remapper = remapper(100, 10, Layout::Modulo, OffsetEncoding::Lane);
    let text = |error: RemapError| error.to_string();
    assert_eq!(
        text(remapper.virtual_to_physical(VirtualPartition(100)).unwrap_err()),
        "virtual partition 100 is not in 0..100"
    );
    assert_eq!(
        text(remapper.physical_to_virtual(PhysicalPartition(-1), Lane(0)).unwrap_err()),
        "physical partition -1 is not in 0..10"
    );
    assert_eq!(
        text(remapper.physical_to_virtual(PhysicalPartition(0), Lane(10)).unwrap_err()),
        "lane 10 is not in 0..10"
    );
    assert_eq!(
        text(remapper.physical_to_virtual_offset(Lane(1), RANGE).unwrap_err()),
        "offset 1099511627776 is not below the offset range 1099511627776"
    );
    assert_eq!(
        text(remapper.virtual_to_physical_offset(Lane(1), 5).unwrap_err()),
        "offset 5 is not of lane 1, whose offsets are 1099511627776..=2199023255551"
    );
}

#[test]
fn the_range_ends_before_its_end() {
    for encoding in [OffsetEncoding::Identity, OffsetEncoding::Lane] {
        let remapper = remapper(4, 2, Layout::Modulo, encoding);
        assert!(remapper.physical_to_virtual_offset(Lane(1), RANGE - 1).is_ok());
        assert!(remapper.physical_to_virtual_offset(Lane(1), RANGE).is_err());
    }
    let identity = remapper(4, 2, Layout::Modulo, OffsetEncoding::Identity);
    assert_eq!(identity.virtual_to_physical_offset(Lane(1), RANGE - 1), Ok(RANGE - 1));
    assert!(identity.virtual_to_physical_offset(Lane(1), RANGE).is_err());
    let lane = remapper(4, 2, Layout::Modulo, OffsetEncoding::Lane);
    assert_eq!(lane.virtual_to_physical_offset(Lane(1), RANGE), Ok(0));
    assert_eq!(lane.virtual_to_physical_offset(Lane(1), 2 * RANGE - 1), Ok(RANGE - 1));
    assert!(lane.virtual_to_physical_offset(Lane(1), 2 * RANGE).is_err());
    assert!(lane.virtual_to_physical_offset(Lane(1), RANGE - 1).is_err());
}

fn any_remapper() -> impl Strategy<Value = PartitionRemapper> {
    let layout = prop_oneof![Just(Layout::Modulo), Just(Layout::Block)];
    let encoding = prop_oneof![Just(OffsetEncoding::Identity), Just(OffsetEncoding::Lane)];
    (1..40_i32, 1..40_i32, OFFSET_RANGE_MIN..(1 << 57), layout, encoding)
        .prop_map(|(p, c, range, layout, encoding)| PartitionRemapper::new(p * c, p, range, layout, encoding).unwrap())
}

proptest! {
    #[test]
    fn virtual_and_physical_are_in_bijection(remapper in any_remapper()) {
        let mut places = HashSet::new();
        for v in (0..remapper.virtual_partitions()).map(VirtualPartition) {
            let (p, lane) = remapper.virtual_to_physical(v).unwrap();
            prop_assert!((0..remapper.physical_partitions()).contains(&p.0) && lane.0 < remapper.lanes());
            prop_assert_eq!(remapper.physical_to_virtual(p, lane), Ok(v));
            prop_assert!(places.insert((p, lane)));
        }
    }

    #[test]
    fn offsets_round_trip_and_belong_to_one_lane(
        remapper in any_remapper(), lane in any::<u32>(), offset in any::<u64>(),
    ) {
        let lane = Lane(lane % remapper.lanes());
        let offset = (offset % remapper.offset_range() as u64) as i64;
        let shown = remapper.physical_to_virtual_offset(lane, offset).unwrap();
        prop_assert_eq!(remapper.virtual_to_physical_offset(lane, shown), Ok(offset));
        let owners = (0..remapper.lanes()).filter(|l| remapper.offset_belongs_to_virtual(Lane(*l), shown)).count();
        match remapper.offset_encoding() {
            OffsetEncoding::Identity => prop_assert_eq!(owners as u32, remapper.lanes()),
            OffsetEncoding::Lane => prop_assert_eq!(owners, 1),
        }
    }

    #[test]
    fn any_number_gets_an_answer(
        remapper in any_remapper(), partition in any::<i32>(), lane in any::<u32>(), offset in any::<i64>(),
    ) {
        let in_v = (0..remapper.virtual_partitions()).contains(&partition);
        prop_assert_eq!(remapper.virtual_to_physical(VirtualPartition(partition)).is_ok(), in_v);
        let in_p = (0..remapper.physical_partitions()).contains(&partition) && lane < remapper.lanes();
        prop_assert_eq!(remapper.physical_to_virtual(PhysicalPartition(partition), Lane(lane)).is_ok(), in_p);
        for lane in [Lane(lane), Lane(lane % remapper.lanes())] {
            let known = lane.0 < remapper.lanes();
            let shown = remapper.physical_to_virtual_offset(lane, offset);
            prop_assert_eq!(shown.is_ok(), known && offset < remapper.offset_range());
            let asked = remapper.virtual_to_physical_offset(lane, offset);
            if known && offset < 0 {
                prop_assert_eq!((shown, asked), (Ok(offset), Ok(offset)));
            }
            prop_assert_eq!(remapper.offset_belongs_to_virtual(lane, offset), asked.is_ok() && offset >= 0);
        }
    }

    #[test]
    fn any_mapping_is_accepted_or_refused(v in any::<i32>(), p in any::<i32>(), range in any::<i64>()) {
        for (v, p) in [(v, p), (v, p % 1000), (p.wrapping_mul(v % 1000), p)] {
            if let Ok(remapper) = PartitionRemapper::new(v, p, range, Layout::Modulo, OffsetEncoding::Lane) {
                prop_assert_eq!(remapper.lanes() as i32 * p, v);
                let last = Lane(remapper.lanes() - 1);
                prop_assert!(remapper.physical_to_virtual_offset(last, range - 1).unwrap() >= 0);
            }
        }
    }
}
