//! The format that `docs/format.md` promises: its worked examples are what the filter computes. They must
//! never change: records and committed offsets that are stored already would be lost, or shown on other
//! partitions.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing)]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use kafka_partition_remapper_core::remapper::{
    Lane, Layout, OffsetEncoding, PartitionRemapper, PhysicalPartition, VirtualPartition,
};
use kafka_partition_remapper_core::shadow;
use kafka_partition_remapper_core::wire::inspection::{batches, single_record, tagged, Producer};

/// A record with the value `hello`, without key and headers, as a v2 batch holds it.
const RECORD: &[u8] = b"\x16\x00\x00\x00\x01\x0ahello\x00";
const TIMESTAMP: i64 = 1_700_000_000_000;
const PLAIN: Producer = Producer { id: -1, epoch: -1, sequence: -1 };
const IDEMPOTENT: Producer = Producer { id: 1_000, epoch: 3, sequence: 7 };
/// The fields that a lane may change, with their places in a batch.
const FIELDS: [(&str, usize, usize); 5] =
    [("crc", 17, 4), ("attributes", 21, 2), ("producerId", 43, 8), ("producerEpoch", 51, 2), ("baseSequence", 53, 4)];
const LANES: [u32; 3] = [0, 1, 258];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The changed fields of one batch in each of [`LANES`].
fn batch_example(producer: Producer) -> String {
    let sent = single_record(0, RECORD, TIMESTAMP, producer);
    let stored = LANES.map(|lane| tagged(&sent, Lane(lane)).unwrap());
    assert_eq!(stored[0], sent, "lane 0 carries no mark");
    let mut text = format!("{:<14} at  {:<18}{:<18}lane 258\n", "field", "lane 0", "lane 1");
    for (name, at, bytes) in FIELDS {
        let values = stored.each_ref().map(|batch| hex(&batch[at..at + bytes]));
        let line = format!("{name:<14} {at}  {:<18}{:<18}{}", values[0], values[1], values[2]);
        writeln!(text, "{}", line.trim_end()).unwrap();
    }
    for (lane, batch) in LANES.iter().zip(&stored) {
        let found = batches(batch).next().unwrap();
        assert!(found.is_intact() && found.lane() == Some(Lane(*lane)));
        let is_changed = |at: &usize| FIELDS.iter().any(|(_, from, bytes)| (*from..from + bytes).contains(at));
        assert!((0..sent.len()).filter(|at| !is_changed(at)).all(|at| batch[at] == sent[at]), "nothing else changes");
    }
    text
}

fn shadow_example() -> String {
    let mut text = String::new();
    for (group, lane) in [("orders", 1), ("orders", 2), ("orders", 12), ("payments", 1), ("größe😀", 1)] {
        writeln!(text, "{group:<10}{lane:>3}   {}", shadow::name(group, Lane(lane))).unwrap();
    }
    text
}

fn place_example() -> String {
    let mapping = |layout, encoding| PartitionRemapper::new(20, 4, 1 << 40, layout, encoding).unwrap();
    let mut text = "layout  virtual  physical  lane  offset 5 as identity  offset 5 as lane\n".to_owned();
    for (name, layout) in [("modulo", Layout::Modulo), ("block", Layout::Block)] {
        for v in [0, 3, 7, 19] {
            let (identity, lane_encoding) =
                (mapping(layout, OffsetEncoding::Identity), mapping(layout, OffsetEncoding::Lane));
            let (PhysicalPartition(p), lane) = identity.virtual_to_physical(VirtualPartition(v)).unwrap();
            let plain = identity.physical_to_virtual_offset(lane, 5).unwrap();
            let encoded = lane_encoding.physical_to_virtual_offset(lane, 5).unwrap();
            writeln!(text, "{name:<8}{v:>7}{p:>10}{lane:>6}{plain:>22}{encoded:>18}", lane = lane.0).unwrap();
        }
    }
    text
}

#[test]
fn the_format_is_what_the_document_promises() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/format.md");
    let document = fs::read_to_string(path).expect("docs/format.md is text");
    for example in [batch_example(PLAIN), batch_example(IDEMPOTENT), shadow_example(), place_example()] {
        let block = format!("```text\n{example}```");
        assert!(
            document.contains(&block),
            "docs/format.md does not have this. If the format has changed, stored \
            records and offsets are lost:\n{block}"
        );
    }
}
