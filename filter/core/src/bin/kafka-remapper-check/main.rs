//! `kafka-remapper-check`: tells what the filter says to a configuration, and makes SCRAM credentials.
//!
//! A tool for the command line. wasm32 has none, so nothing of it is built there.

#[cfg(not(target_arch = "wasm32"))]
mod check;
#[cfg(not(target_arch = "wasm32"))]
mod scram;
#[cfg(not(target_arch = "wasm32"))]
mod tool;

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    tool::main()
}

#[cfg(target_arch = "wasm32")]
fn main() {}
