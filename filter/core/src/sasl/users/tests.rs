//! Right and wrong passwords of all kinds of users, and that nobody can tell who is known.
use std::collections::BTreeSet;

use super::*;
use crate::sasl::scram::tests::derivations;

const HASHES: [Hash; 2] = [Hash::Sha256, Hash::Sha512];

/// Has a password.
fn by_password(name: &str) -> User {
    User { name: name.to_owned(), password: Some(secret(name)), scram_sha_256: None, scram_sha_512: None }
}

/// Has credentials for one hash function, with a salt of `salt_bytes`.
fn by_credentials(name: &str, hash: Hash, salt_bytes: usize, iterations: u32) -> User {
    let salt = name.as_bytes().iter().copied().cycle().take(salt_bytes).collect::<Vec<u8>>();
    let given = Some(Credentials::derive(hash, secret(name).expose(), &salt, iterations));
    match hash {
        Hash::Sha256 => User { scram_sha_256: given, password: None, ..by_password(name) },
        Hash::Sha512 => User { scram_sha_512: given, password: None, ..by_password(name) },
    }
}

/// Every user's password is its name and a sign.
fn secret(name: &str) -> Secret {
    Secret::new(format!("{name}!"))
}

fn store(users: &[User]) -> Store {
    Store::new(users.to_vec(), [1; 32])
}

/// Salt length and iterations, which a stranger sees.
fn form(store: &Store, name: &str, hash: Hash) -> (usize, u32) {
    let credentials = store.scram(name, hash).credentials;
    assert_eq!((credentials.stored_key.len(), credentials.server_key.len()), (hash.bytes(), hash.bytes()));
    (credentials.salt.len(), credentials.iterations)
}

fn strangers() -> impl Iterator<Item = String> {
    (0..20).map(|number| format!("stranger-{number}"))
}

#[test]
fn names_are_prepared() {
    assert_eq!(prepare("alice").as_deref(), Some("alice"));
    // The examples of RFC 4013, section 3.
    assert_eq!(prepare("I\u{ad}X").as_deref(), Some("IX"));
    assert_eq!(prepare("user").as_deref(), Some("user"));
    assert_eq!(prepare("USER").as_deref(), Some("USER"));
    assert_eq!(prepare("\u{aa}").as_deref(), Some("a"));
    assert_eq!(prepare("\u{2168}").as_deref(), Some("IX"));
    assert_eq!(prepare("\u{7}"), None);
    assert_eq!(prepare("\u{627}1"), None);
    assert_eq!(prepare(""), None);
    assert_eq!(prepare("\u{ad}"), None, "nothing is left");
    assert!(prepare(&"a".repeat(USER_NAME_BYTES_MAX)).is_some());
    assert_eq!(prepare(&"a".repeat(USER_NAME_BYTES_MAX + 1)), None);
    assert_eq!(prepare(&"\u{fdfa}".repeat(100)), None, "one that grows beyond the bound");
}

#[test]
fn plain_with_passwords_costs_no_pbkdf2() {
    let store = store(&[by_password("alice"), by_password("bob")]);
    let (count, ()) = derivations(|| {
        assert!(store.check_plain("alice", "alice!"));
        assert!(store.check_plain("bob", "bob!"));
        assert!(!store.check_plain("alice", "bob!"));
        assert!(!store.check_plain("alice", ""));
        assert!(!store.check_plain("carol", ""));
        assert!(!store.check_plain("carol", "carol!"));
    });
    assert_eq!(count, 0);
}

#[test]
fn plain_costs_everyone_one_pbkdf2_when_someone_has_credentials_only() {
    let store = store(&[
        by_password("alice"),
        by_credentials("bob", Hash::Sha256, 16, 4096),
        by_credentials("carol", Hash::Sha512, 20, 5000),
    ]);
    let cases = [
        ("alice", "alice!", true),
        ("alice", "bob!", false),
        ("bob", "bob!", true),
        ("bob", "bob", false),
        ("carol", "carol!", true),
        ("carol", "", false),
        ("dave", "dave!", false),
        ("dave", "", false),
        ("erin", "bob!", false),
    ];
    for (name, password, expected) in cases {
        for expected_count in [1, 0, 0] {
            let (count, verdict) = derivations(|| store.check_plain(name, password));
            assert_eq!((verdict, count), (expected, expected_count), "{name} {password}");
        }
    }
}

#[test]
fn plain_asks_the_password_when_there_are_both() {
    let both =
        User { password: Some(Secret::new("other".to_owned())), ..by_credentials("bob", Hash::Sha256, 16, 4096) };
    let store = store(&[both, by_credentials("carol", Hash::Sha256, 16, 4096)]);
    assert!(store.check_plain("bob", "other"));
    assert!(!store.check_plain("bob", "bob!"));
    assert_eq!(
        store.scram("bob", Hash::Sha256).credentials.salt,
        b"bobbobbobbobbobb",
        "SCRAM takes what is given for it"
    );
}

#[test]
fn given_credentials_cost_nobody_a_pbkdf2() {
    let given = by_credentials("bob", Hash::Sha256, 24, 8192);
    let store = store(std::slice::from_ref(&given));
    let (count, ()) = derivations(|| {
        assert_eq!(store.scram("bob", Hash::Sha256).credentials.as_ref(), given.scram_sha_256.as_ref().unwrap());
        assert!(store.scram("bob", Hash::Sha256).is_known);
        for name in strangers() {
            assert!(!store.scram(&name, Hash::Sha256).is_known);
            assert_eq!(form(&store, &name, Hash::Sha256), (24, 8192));
        }
        assert!(!store.scram("bob", Hash::Sha512).is_known, "it has none for this hash function");
        assert_eq!(form(&store, "bob", Hash::Sha512), form(&store, "stranger", Hash::Sha512));
    });
    assert_eq!(count, 0);
}

#[test]
fn the_first_use_of_any_name_costs_one_pbkdf2_when_someone_has_a_password() {
    let given = by_credentials("bob", Hash::Sha256, 24, 8192);
    let store = store(&[by_password("alice"), given.clone(), by_credentials("carol", Hash::Sha512, 20, 5000)]);
    for name in ["alice", "bob", "carol", "dave", "erin"] {
        for hash in HASHES {
            let (first, credentials) = derivations(|| store.scram(name, hash).credentials);
            let (later, again) = derivations(|| store.scram(name, hash).credentials);
            assert_eq!((first, later), (1, 0), "{name}");
            assert_eq!(credentials, again, "{name}");
        }
    }
    let known = |name| HASHES.map(|hash| store.scram(name, hash).is_known);
    assert_eq!(
        ["alice", "bob", "carol", "dave"].map(known),
        [[true, true], [true, false], [false, true], [false, false]]
    );
    assert_eq!(store.scram("bob", Hash::Sha256).credentials.as_ref(), given.scram_sha_256.as_ref().unwrap());
    let derived = store.scram("alice", Hash::Sha512).credentials;
    assert_eq!(*derived, Credentials::derive(Hash::Sha512, "alice!", &derived.salt, SCRAM_ITERATIONS_MIN));
}

#[test]
fn strangers_look_like_users() {
    let users = [
        by_password("alice"),
        by_credentials("bob", Hash::Sha256, 24, 8192),
        by_credentials("carol", Hash::Sha512, 20, 5000),
    ];
    let store = store(&users);
    for hash in HASHES {
        let forms = |names: Vec<String>| names.iter().map(|name| form(&store, name, hash)).collect::<BTreeSet<_>>();
        let known = users.iter().filter(|user| user.speaks(hash)).map(|user| user.name.clone()).collect();
        assert_eq!(forms(strangers().collect()), forms(known), "each form of a user occurs, and no other");
    }
    let salts = strangers().map(|name| store.scram(&name, Hash::Sha256).credentials.salt.clone());
    assert_eq!(salts.collect::<BTreeSet<_>>().len(), 20, "all different");
}

#[test]
fn salts_are_the_same_in_every_worker_that_shows_a_configured_one() {
    let users = [by_password("alice"), by_credentials("bob", Hash::Sha256, 24, 8192)];
    let reversed: Vec<User> = users.iter().rev().cloned().collect();
    let (one, other) = (Store::new(users.to_vec(), [1; 32]), Store::new(reversed, [2; 32]));
    for name in ["alice", "bob", "stranger"] {
        for hash in HASHES {
            assert_eq!(one.scram(name, hash).credentials, other.scram(name, hash).credentials, "{name}");
        }
    }
    let mut changed = users.to_vec();
    changed[0].password = Some(Secret::new("new".to_owned()));
    let changed = Store::new(changed, [1; 32]);
    let salt = |store: &Store| store.scram("stranger", Hash::Sha256).credentials.salt.clone();
    assert_ne!(salt(&one), salt(&changed), "it depends on every secret");
}

#[test]
fn without_configured_salts_all_salts_are_the_workers_own() {
    let users = [by_password("alice"), by_password("bob")];
    let (one, other) = (Store::new(users.to_vec(), [1; 32]), Store::new(users.to_vec(), [2; 32]));
    let again = Store::new(users.to_vec(), [1; 32]);
    for name in ["alice", "bob", "stranger"] {
        let salt = |store: &Store| store.scram(name, Hash::Sha256).credentials.salt.clone();
        assert_eq!(salt(&one), salt(&again), "{name}");
        assert_ne!(salt(&one), salt(&other), "{name}: that of a user must not stay where that of a stranger changes");
        assert_eq!(form(&one, name, Hash::Sha256), (SCRAM_SALT_BYTES, SCRAM_ITERATIONS_MIN));
    }
}

#[test]
fn a_full_memory_forgets_and_never_grows() {
    let mut store = store(&[by_password("alice"), by_credentials("bob", Hash::Sha256, 16, 4096)]);
    store.derived = RefCell::new(Memory::new(2));
    store.verdicts = RefCell::new(Memory::new(2));
    let scram = |name: &str| derivations(|| store.scram(name, Hash::Sha256)).0;
    assert_eq!(["alice", "x", "alice", "y", "alice", "alice"].map(scram), [1, 1, 0, 1, 1, 0]);
    let plain = |password: &str| derivations(|| assert!(!store.check_plain("alice", password))).0;
    assert_eq!(["1", "2", "1", "3", "1", "1"].map(plain), [1, 1, 0, 1, 1, 0]);
}

#[test]
fn a_store_without_users_admits_nobody() {
    let store = store(&[]);
    assert!(!store.check_plain("alice", "alice!"));
    assert!(!store.check_plain("", ""));
    assert!(!store.scram("alice", Hash::Sha256).is_known);
    assert_eq!(form(&store, "alice", Hash::Sha512), (SCRAM_SALT_BYTES, SCRAM_ITERATIONS_MIN));
}
