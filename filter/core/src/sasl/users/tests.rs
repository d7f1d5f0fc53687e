//! Right and wrong passwords of all kinds of users, and that nobody can tell who is known.
mod strangers;

use std::collections::BTreeSet;

use super::*;
use crate::limits::USER_NAME_BYTES_MAX;
use crate::limits::{FORMS_MAX, SCRAM_ITERATIONS_MIN, WORK_ITERATIONS};
use crate::sasl::scram::tests::derivations;

const HASHES: [Hash; 2] = [Hash::Sha256, Hash::Sha512];

/// Has a password.
fn by_password(name: &str) -> User {
    User { name: name.to_owned(), password: Some(secret(name)), scram_sha_256: None, scram_sha_512: None }
}

/// Has credentials for one hash function, with a salt of `salt_bytes`.
fn by_credentials(name: &str, hash: Hash, salt_bytes: usize, iterations: u32) -> User {
    // No text: that would be taken for one of Kafka's.
    let salt = name.as_bytes().iter().map(|byte| byte | 0x80).cycle().take(salt_bytes).collect::<Vec<u8>>();
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
    worker(users, 1, &Mechanism::ALL)
}

/// One of the workers of a process.
fn worker(users: &[User], number: u8, mechanisms: &[Mechanism]) -> Store {
    Store::new(users.to_vec(), mechanisms, [number; 32], [9; 32])
}

/// With all that is to be derived.
fn ready(users: &[User]) -> Store {
    let store = store(users);
    work_off(&store);
    store
}

/// How often there was something to do.
fn work_off(store: &Store) -> usize {
    let mut pieces = 0;
    while store.has_work() {
        store.work();
        pieces += 1;
    }
    pieces
}

/// The verdict, however long it takes.
fn check(store: &Store, name: &str, password: &str) -> bool {
    match store.check_plain(name, password) {
        PasswordCheck::Known(verdict) => verdict,
        PasswordCheck::Later(job) => {
            work_off(store);
            job.verdict().unwrap()
        }
        PasswordCheck::Full => panic!("the queue is full"),
    }
}

fn scram(store: &Store, name: &str, hash: Hash) -> Found {
    store.scram(name, hash).unwrap()
}

/// Salt length and iterations, which a stranger sees.
fn form(store: &Store, name: &str, hash: Hash) -> (usize, u32) {
    let credentials = scram(store, name, hash).credentials;
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
    let store = worker(&[by_password("alice"), by_password("bob")], 1, &[Mechanism::Plain]);
    let (count, ()) = derivations(|| {
        for (name, password, expected) in [
            ("alice", "alice!", true),
            ("bob", "bob!", true),
            ("alice", "bob!", false),
            ("alice", "", false),
            ("carol", "", false),
            ("carol", "carol!", false),
        ] {
            assert!(matches!(store.check_plain(name, password), PasswordCheck::Known(verdict) if verdict == expected));
        }
        assert!(!store.has_work(), "credentials are derived where SCRAM is spoken");
    });
    assert_eq!(count, 0);
}

#[test]
fn plain_costs_everyone_one_pbkdf2_when_someone_has_credentials_only() {
    let store = ready(&[
        by_password("alice"),
        by_credentials("bob", Hash::Sha256, 16, 4096),
        by_credentials("carol", Hash::Sha512, 20, 5000),
    ]);
    let cases = [
        ("alice", "bob!", false, [1, 1]),
        ("bob", "bob!", true, [1, 0]),
        ("bob", "bob", false, [1, 1]),
        ("carol", "carol!", true, [1, 0]),
        ("carol", "", false, [1, 1]),
        ("dave", "dave!", false, [1, 1]),
        ("dave", "", false, [1, 1]),
        ("erin", "bob!", false, [1, 1]),
        // Nobody sees the difference but who knows the password.
        ("alice", "alice!", true, [0, 0]),
    ];
    for (name, password, expected, counts) in cases {
        for count in counts {
            assert_eq!(derivations(|| check(&store, name, password)), (count, expected), "{name} {password}");
        }
    }
}

#[test]
fn plain_asks_the_password_when_there_are_both() {
    let both =
        User { password: Some(Secret::new("other".to_owned())), ..by_credentials("bob", Hash::Sha256, 16, 4096) };
    let store = ready(&[both, by_credentials("carol", Hash::Sha256, 16, 4096)]);
    assert!(check(&store, "bob", "other"));
    assert!(!check(&store, "bob", "bob!"));
    let given = scram(&store, "bob", Hash::Sha256).credentials;
    assert_eq!(given.salt, b"bobbobbobbobbobb".map(|byte| byte | 0x80), "SCRAM takes what is given for it");
}

#[test]
fn given_credentials_cost_nobody_a_pbkdf2() {
    let given = by_credentials("bob", Hash::Sha256, 24, 8192);
    let store = store(std::slice::from_ref(&given));
    let (count, ()) = derivations(|| {
        let found = scram(&store, "bob", Hash::Sha256);
        assert!(found.is_known && found.credentials.as_ref() == given.scram_sha_256.as_ref().unwrap());
        for name in strangers() {
            assert!(!scram(&store, &name, Hash::Sha256).is_known);
            assert_eq!(form(&store, &name, Hash::Sha256), (24, 8192));
        }
        assert!(!scram(&store, "bob", Hash::Sha512).is_known, "it has none for this hash function");
        assert_eq!(form(&store, "bob", Hash::Sha512), form(&store, "stranger", Hash::Sha512));
    });
    assert_eq!(count, 0);
}

#[test]
fn users_are_derived_once_and_strangers_never() {
    let given = by_credentials("bob", Hash::Sha256, 24, 8192);
    let users = [by_password("alice"), given.clone(), by_credentials("carol", Hash::Sha512, 20, 5000)];
    let store = store(&users);
    for hash in HASHES {
        for name in ["alice", "bob", "stranger"] {
            assert!(store.scram(name, hash).is_none(), "while one waits, all do");
        }
    }
    let (count, pieces) = derivations(|| work_off(&store));
    assert_eq!((count, pieces), (2, 2 * 4096 / WORK_ITERATIONS as usize), "alice's, for each hash function");
    let (count, ()) = derivations(|| {
        for name in ["alice", "bob", "carol", "dave"].map(str::to_owned).into_iter().chain(strangers()) {
            for hash in HASHES {
                let [first, again] = [scram(&store, &name, hash), scram(&store, &name, hash)];
                assert!(first.credentials == again.credentials, "{name}");
            }
        }
    });
    assert_eq!(count, 0);
    let known = |name| HASHES.map(|hash| scram(&store, name, hash).is_known);
    assert_eq!(
        ["alice", "bob", "carol", "dave"].map(known),
        [[true, true], [true, false], [false, true], [false, false]]
    );
    assert_eq!(scram(&store, "bob", Hash::Sha256).credentials.as_ref(), given.scram_sha_256.as_ref().unwrap());
    let derived = scram(&store, "alice", Hash::Sha512).credentials;
    assert_eq!(*derived, Credentials::derive(Hash::Sha512, "alice!", &derived.salt, SCRAM_ITERATIONS_MIN));
}

#[test]
fn only_what_is_spoken_is_derived() {
    let users = [by_password("alice"), by_password("bob")];
    for (mechanisms, expected) in [
        (&[Mechanism::Plain][..], 0),
        (&[Mechanism::ScramSha256], 2),
        (&[Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512], 4),
    ] {
        let store = worker(&users, 1, mechanisms);
        assert_eq!(derivations(|| work_off(&store)).0, expected, "{mechanisms:?}");
    }
}

#[test]
fn strangers_look_like_users() {
    let users = [
        by_password("alice"),
        by_credentials("bob", Hash::Sha256, 24, 8192),
        by_credentials("carol", Hash::Sha512, 20, 5000),
    ];
    let store = ready(&users);
    for hash in HASHES {
        let forms = |names: Vec<String>| names.iter().map(|name| form(&store, name, hash)).collect::<BTreeSet<_>>();
        let speaks = |user: &&User| user.password.is_some() || user.credentials(hash).is_some();
        let known = users.iter().filter(speaks).map(|user| user.name.clone()).collect();
        assert_eq!(forms(strangers().collect()), forms(known), "each form of a user occurs, and no other");
    }
    let salts = strangers().map(|name| scram(&store, &name, Hash::Sha256).credentials.salt.clone());
    assert_eq!(salts.collect::<BTreeSet<_>>().len(), 20, "all different");
}

/// What a stranger sees of each name.
fn seen(store: &Store, names: impl Iterator<Item = String>) -> Vec<(Vec<u8>, u32)> {
    let both = names.flat_map(|name| HASHES.map(|hash| scram(store, &name, hash).credentials));
    both.map(|credentials| (credentials.salt.clone(), credentials.iterations)).collect()
}

#[test]
fn what_is_shown_stays_in_all_workers_and_over_changes_of_the_list() {
    let users = [by_password("alice"), by_credentials("bob", Hash::Sha256, 24, 8192)];
    let names = || ["alice", "bob"].map(str::to_owned).into_iter().chain(strangers());
    let before = seen(&ready(&users), names());
    let mut lists = vec![users.iter().rev().cloned().collect::<Vec<_>>()];
    // Others come, and passwords change.
    lists.push([&users[..], &[by_password("x"), by_credentials("y", Hash::Sha256, 24, 8192)]].concat());
    lists.push([&[User { password: Some(secret("new")), ..by_password("alice") }], &users[1..]].concat());
    for list in lists {
        let other = worker(&list, 2, &Mechanism::ALL);
        work_off(&other);
        assert!(seen(&other, names()) == before);
    }
    // Users go: only they may look different from now on, as somebody unknown.
    let gone = ready(&[by_password("x"), by_credentials("y", Hash::Sha256, 24, 8192)]);
    assert!(seen(&gone, strangers()) == seen(&ready(&users), strangers()));
    let elsewhere = Store::new(users.to_vec(), &Mechanism::ALL, [1; 32], [7; 32]);
    work_off(&elsewhere);
    assert!(seen(&elsewhere, strangers()) != seen(&gone, strangers()), "another secret");
}

#[test]
fn a_kind_of_users_that_comes_changes_only_names_that_imitate_it() {
    let users = [by_password("alice"), by_credentials("bob", Hash::Sha256, 24, 8192)];
    let (before, after) =
        (ready(&users), ready(&[&users[..], &[by_credentials("c", Hash::Sha256, 16, 5000)]].concat()));
    let mut changed = 0;
    for name in (0..60).map(|number| format!("name-{number}")) {
        let forms = [&before, &after].map(|store| form(store, &name, Hash::Sha256));
        assert!(forms[0] == forms[1] || forms[1] == (16, 5000), "{name}: {forms:?}");
        changed += usize::from(forms[0] != forms[1]);
    }
    assert!((8..40).contains(&changed), "about a third: {changed}");
}

#[test]
fn many_kinds_of_users_cost_no_more_digests() {
    let kinds = (0..200).map(|number| by_credentials(&format!("u{number}"), Hash::Sha256, 16, 4096 + number));
    assert_eq!(
        Forms::new(&kinds.map(Rc::new).collect::<Vec<_>>(), &PurposeKey::new(&[1; 32], "test")).kinds(),
        FORMS_MAX
    );
}

#[test]
fn a_store_without_users_admits_nobody() {
    let store = store(&[]);
    assert!(!check(&store, "alice", "alice!"));
    assert!(!check(&store, "", ""));
    assert!(!scram(&store, "alice", Hash::Sha256).is_known);
    assert_eq!(form(&store, "alice", Hash::Sha512), (SCRAM_SALT_BYTES, SCRAM_ITERATIONS_MIN));
}
