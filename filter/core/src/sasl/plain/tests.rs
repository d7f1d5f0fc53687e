//! Tokens of PLAIN that are right, and those that are not.
use proptest::prelude::*;

use super::*;
use crate::sasl::secret::Secret;
use crate::sasl::users::User;
use crate::sasl::Mechanism;

fn store() -> Store {
    let user = |name: &str, password: &str| User {
        name: name.to_owned(),
        password: Some(Secret::new(password.to_owned())),
        scram_sha_256: None,
        scram_sha_512: None,
    };
    let users = vec![user("alice", "secret"), user("bob", "p\u{e4}ss, \u{ad}w=rd")];
    Store::new(users, &[Mechanism::Plain], [1; 32], [2; 32])
}

fn step(store: &Store, token: &[u8]) -> Step {
    Server::default().step(store, token)
}

fn done(principal: &str) -> Step {
    Step::Done { principal: principal.to_owned(), expires: None, last: vec![] }
}

#[test]
fn right_tokens() {
    assert_eq!(step(&store(), b"\0alice\0secret"), done("alice"));
    assert_eq!(step(&store(), b"alice\0alice\0secret"), done("alice"));
    assert_eq!(
        step(&store(), "\0b\u{ad}ob\0p\u{e4}ss, \u{ad}w=rd".as_bytes()),
        done("bob"),
        "the name alone is prepared"
    );
}

#[test]
fn wrong_tokens() {
    let long = format!("\0alice\0{}", "a".repeat(PLAIN_TOKEN_BYTES_MAX));
    for token in [
        "",
        "\0",
        "\0\0",
        "\0\0secret",
        "\0alice\0",
        "\0alice",
        "alice\0secret",
        "\0alice\0secret\0",
        "\0alice\0secre",
        "\0alice\0secrets",
        "\0alice\0Secret",
        "\0Alice\0secret",
        "\0bob\0secret",
        "bob\0alice\0secret",
        "\0carol\0secret",
        "\0carol\0",
        "\0bob\0pa\u{308}ss, w=rd",
        &long,
    ] {
        assert_eq!(step(&store(), token.as_bytes()), Step::Failed, "{token:?}");
    }
    assert_eq!(step(&store(), b"\0alice\0secret\xff"), Step::Failed);
}

proptest! {
    #[test]
    fn arbitrary_tokens_never_authenticate(token in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        "(alice)?\0(alice|bob|carol)\0[a-z]{0,8}".prop_filter("right", |token| !token.ends_with("alice\0secret"))
            .prop_map(String::into_bytes),
    ]) {
        prop_assert_eq!(step(&store(), &token), Step::Failed);
    }
}
