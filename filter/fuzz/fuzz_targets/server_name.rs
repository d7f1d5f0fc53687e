//! [`kafka_partition_remapper_fuzz::targets::server_name`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kafka_partition_remapper_fuzz::targets::server_name::server_name(data));
