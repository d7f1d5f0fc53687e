//! Every target on its seeds and some thousand inputs made of them, without coverage: what `make test` can
//! afford.
//!
//! `FUZZ_SEED=7` takes other inputs, `FUZZ_RUNS=1000000` more of them; `FUZZ_ONLY=names` leaves out the other
//! targets.
#![allow(clippy::panic, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{catch_unwind, resume_unwind};
use std::path::Path;

use kafka_partition_remapper_fuzz::mutate::{Random, Source};
use kafka_partition_remapper_fuzz::{Target, TARGETS};

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

fn run(target: &Target) {
    let seed = number("FUZZ_SEED").unwrap_or(0);
    let source = Source::of(target.name, target.bytes_max);
    for number in 0..number("FUZZ_RUNS").unwrap_or(target.runs) {
        // By its own number, so that one input can be made without those before it.
        let input = source.input(number, &mut Random::new(seed.wrapping_mul(1 << 32).wrapping_add(number)));
        if let Err(panic) = catch_unwind(|| (target.run)(&input)) {
            eprintln!("{}: FUZZ_SEED={seed}, input {number}: {input:02x?}", target.name);
            eprintln!("    as text: {:?}", String::from_utf8_lossy(&input));
            resume_unwind(panic);
        }
    }
}

fn named(name: &str) {
    if std::env::var("FUZZ_ONLY").is_ok_and(|only| only != name) {
        return;
    }
    run(TARGETS.iter().find(|target| target.name == name).expect("a target"));
}

macro_rules! tests {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            named(stringify!($name));
        })*

        #[test]
        fn each_target_has_a_test_a_program_and_seeds() {
            let tests = BTreeSet::from([$(stringify!($name).to_owned()),*]);
            let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
            assert_eq!(targets, tests);
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            for (directory, ending) in [("fuzz_targets", ".rs"), ("seeds", "/")] {
                let entries = fs::read_dir(root.join(directory)).expect("a directory");
                let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
                let found: BTreeSet<String> = names.map(|name| name.replace(ending, "")).collect();
                assert_eq!(found, targets, "{directory}");
            }
        }
    };
}

tests! {
    frames bodies names plain_token scram_client scram_broker oauth_message oauth_token key_set subject mapping_rules
    server_name connection
}
