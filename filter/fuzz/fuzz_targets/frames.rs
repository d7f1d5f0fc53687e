//! [`kafka_partition_remapper_fuzz::targets::frames`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kafka_partition_remapper_fuzz::targets::frames::frames(data));
