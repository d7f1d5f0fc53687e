//! [`remapper_fuzz::targets::frames`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| remapper_fuzz::targets::frames::frames(data));
