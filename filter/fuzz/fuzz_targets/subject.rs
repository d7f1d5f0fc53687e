//! [`kafka_partition_remapper_fuzz::targets::subject`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kafka_partition_remapper_fuzz::targets::subject::subject(data));
