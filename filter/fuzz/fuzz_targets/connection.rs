//! [`remapper_fuzz::targets::connection`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| remapper_fuzz::targets::connection::connection(data));
