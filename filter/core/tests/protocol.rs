//! The table of APIs in `docs/protocol.md` is the table of `apis.rs`. With `UPDATE` in the environment
//! (`make docs`) it is written, without it is compared.

#![allow(clippy::panic, clippy::expect_used)]

use std::path::Path;
use std::{env, fs};

use kafka_partition_remapper_core::apis_document;

/// Behind this line the document is generated, to its end.
const MARK: &str = "<!-- Generated from the table in filter/core/src/apis.rs, by `make docs`. -->\n";

#[test]
fn the_document_tells_what_becomes_of_each_api() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md");
    let document = fs::read_to_string(&path).expect("docs/protocol.md is text");
    let (written, _) = document.split_once(MARK).expect("docs/protocol.md has the mark of its generated part");
    let wanted = format!("{written}{MARK}\n{}", apis_document());
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, wanted).expect("docs/protocol.md can be written");
    } else {
        assert!(document == wanted, "docs/protocol.md is not what apis.rs says: `make docs` writes it");
    }
}
