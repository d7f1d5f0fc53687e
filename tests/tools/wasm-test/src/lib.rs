//! `#[test]` for wasm32: the same attribute name, but an expansion that wasm-bindgen-test-runner can find.
//!
//! The runner knows only functions marked with `wasm_bindgen_test`. A crate that declares
//! `#[cfg(all(test, target_arch = "wasm32"))] #[macro_use(test)] extern crate wasm_test;` at its root gets
//! that attribute under the name `test` in all its modules (names imported by `macro_use` come before those
//! of the standard prelude), so that its test modules, proptest's included, read the same on both targets.

#[cfg(target_arch = "wasm32")]
pub use wasm_bindgen_test::wasm_bindgen_test as test;
