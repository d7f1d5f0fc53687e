//! [`remapper_fuzz::targets::scram_client`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| remapper_fuzz::targets::scram_client::scram_client(data));
