//! The client against the vectors of RFC 7677, against our own server, and against brokers that do not
//! behave.
use proptest::prelude::*;

use super::*;
use crate::sasl::plain;
use crate::sasl::scram::tests::{derivations, Vector, CLIENT_NONCE, SERVER_NONCE, VECTORS};
use crate::sasl::scram::Server;
use crate::sasl::users::{prepare, Store, User};
use crate::sasl::Step;

fn account(username: &str, password: &str) -> BrokerAccount {
    BrokerAccount { username: username.to_owned(), password: Secret::new(password.to_owned()) }
}

fn mechanism(hash: Hash) -> Mechanism {
    match hash {
        Hash::Sha256 => Mechanism::ScramSha256,
        Hash::Sha512 => Mechanism::ScramSha512,
    }
}

fn client(hash: Hash, account: &BrokerAccount) -> Client {
    Client::new(mechanism(hash), account, CLIENT_NONCE.to_owned()).unwrap()
}

fn cache() -> SaltedCache {
    SaltedCache::new([2; 32])
}

fn store(username: &str, password: &str) -> Store {
    let password = Some(Secret::new(password.to_owned()));
    let user = User { name: username.to_owned(), password, scram_sha_256: None, scram_sha_512: None };
    let store = Store::new(vec![user], &Mechanism::ALL, [1; 32], [2; 32]);
    while store.has_work() {
        store.work();
    }
    store
}

#[test]
fn the_client_speaks_as_the_vectors_do() {
    for vector in &VECTORS {
        let (cache, mut client) = (cache(), client(vector.hash, &account("user", "pencil")));
        assert_eq!(client.first(), Vector::CLIENT_FIRST.as_bytes());
        let reply = client.step(&cache, Vector::SERVER_FIRST.as_bytes());
        assert_eq!(reply, Ok(ClientStep::Send(vector.client_final().into_bytes())));
        assert_eq!(client.step(&cache, vector.server_final().as_bytes()), Ok(ClientStep::Done));
        assert_eq!(client.step(&cache, vector.server_final().as_bytes()), Err(Refused("no answer was due")));
    }
}

#[test]
fn plain_is_one_token() {
    let mut client = Client::new(Mechanism::Plain, &account("alice", "secret"), String::new()).unwrap();
    assert_eq!(client.step(&cache(), b""), Err(Refused("no answer was due")));
    let token = client.first();
    assert_eq!(token, b"\0alice\0secret");
    assert!(matches!(plain::Server::default().step(&store("alice", "secret"), &token), Step::Done { .. }));
    assert_eq!(client.step(&cache(), b""), Ok(ClientStep::Done));
    client.first();
    assert!(client.step(&cache(), b"more").is_err());
    assert!(client.step(&cache(), b"").is_err(), "an error is final");
}

#[test]
fn what_a_mechanism_cannot_carry_makes_no_client() {
    let possible =
        |mechanism, account: &BrokerAccount| Client::new(mechanism, account, CLIENT_NONCE.to_owned()).is_some();
    assert!(!possible(Mechanism::OauthBearer, &account("alice", "secret")));
    assert!(!possible(Mechanism::Plain, &account("alice", "sec\0ret")));
    assert!(possible(Mechanism::ScramSha256, &account("alice", "sec\0ret")));
    assert!(Mechanism::ALL.into_iter().all(|mechanism| !possible(mechanism, &account("ali\0ce", "secret"))));
}

/// What the client makes of `server_first`.
fn answer(server_first: &str) -> Result<ClientStep, Refused> {
    let mut client = client(Hash::Sha256, &account("user", "pencil"));
    client.first();
    client.step(&cache(), server_first.as_bytes())
}

#[test]
fn server_first_is_refused_before_any_work() {
    let long_salt = format!("r={CLIENT_NONCE}abc,s={},i=4096", to_base64(&[0; 129]));
    let cases = [
        ("e=unknown-user", "error"),
        ("", "not a message"),
        ("r=a", "not a message"),
        ("m=a,r=rOprNGfwEbeRWgbNEkqOabc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "not a message"),
        ("r=rOprNGfwEbeRWgbNEkqOabc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,m=a", "not a message"),
        ("r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce"),
        ("r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce"),
        ("r=rOprNGfwEbeRWgbNEkqOabc,s=W22Z!J0SNY7soEsUEjb6gQ==,i=4096", "salt"),
        ("r=rOprNGfwEbeRWgbNEkqOabc,s=,i=4096", "salt"),
        (long_salt.as_str(), "salt"),
        ("r=rOprNGfwEbeRWgbNEkqOabc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095", "iterations"),
        ("r=rOprNGfwEbeRWgbNEkqOabc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=16385", "iterations"),
        ("r=rOprNGfwEbeRWgbNEkqOabc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999", "iterations"),
        ("r=rOprNGfwEbeRWgbNEkqOabc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=+4096", "iterations"),
        ("r=rOprNGfwEbeRWgbNEkqOabc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=", "iterations"),
    ];
    for (token, why) in cases {
        let (count, answer) = derivations(|| answer(token));
        let Err(Refused(text)) = answer else { panic!("{token} is taken") };
        assert!(text.contains(why), "{token}: {text}");
        assert_eq!(count, 0, "{token}");
    }
    assert!(
        answer("r=rOprNGfwEbeRWgbNEkqOabc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,x=y").is_ok(),
        "extensions are ignored"
    );
}

#[test]
fn server_final_is_refused() {
    let other = format!("v={}", to_base64(&[0; 32]));
    for (token, why) in [
        ("e=invalid-proof", "error"),
        (other.as_str(), "signature is wrong"),
        ("v=", "signature is wrong"),
        ("v=6rri", "signature is wrong"),
        ("v=!", "not a message"),
        ("", "not a message"),
        ("m=a,v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "not a message"),
    ] {
        let (cache, mut client) = (cache(), client(Hash::Sha256, &account("user", "pencil")));
        client.first();
        client.step(&cache, Vector::SERVER_FIRST.as_bytes()).unwrap();
        let Err(Refused(text)) = client.step(&cache, token.as_bytes()) else { panic!("{token} is taken") };
        assert!(text.contains(why), "{token}: {text}");
        assert!(client.step(&cache, VECTORS[0].server_final().as_bytes()).is_err(), "an error is final");
    }
}

#[test]
fn a_salted_password_is_computed_once() {
    let cache = cache();
    let run = |hash: Hash, name: &str, password: &str, server_first: &str| {
        let mut client = client(hash, &account(name, password));
        client.first();
        derivations(|| client.step(&cache, server_first.as_bytes()).unwrap()).0
    };
    let first = Vector::SERVER_FIRST;
    assert_eq!(run(Hash::Sha256, "user", "pencil", first), 1);
    assert_eq!(run(Hash::Sha256, "user", "pencil", first), 0);
    assert_eq!(run(Hash::Sha256, "user", "pencil", &first.replace("%hv", "abc")), 0, "another nonce");
    assert_eq!(run(Hash::Sha512, "user", "pencil", first), 1);
    assert_eq!(run(Hash::Sha256, "user", "pencils", first), 1);
    assert_eq!(run(Hash::Sha256, "userp", "encil", first), 1);
    assert_eq!(run(Hash::Sha256, "user", "pencil", &first.replace("4096", "4097")), 1);
    assert_eq!(run(Hash::Sha256, "user", "pencil", &first.replace("W22Z", "W22a")), 1);
    assert_eq!(run(Hash::Sha256, "user", "pencil", first), 0);
}

#[test]
fn a_full_cache_forgets_and_never_grows() {
    let cache = SaltedCache { salted: RefCell::new(Memory::new(2)), ..cache() };
    let run =
        |name: &str| derivations(|| cache.salted_password(Hash::Sha256, &account(name, "pencil"), b"salt", 4096)).0;
    assert_eq!(["a", "b", "a", "c", "a", "a"].map(run), [1, 1, 0, 1, 1, 0]);
}

/// Which of the four messages is changed, and how.
type Tamper<'a> = &'a dyn Fn(usize, Vec<u8>) -> Vec<u8>;

/// An exchange with our server: whether the server is content, and whether the client is.
fn converse(
    store: &Store,
    cache: &SaltedCache,
    hash: Hash,
    account: &BrokerAccount,
    tamper: Tamper,
) -> (Option<String>, bool) {
    let (mut client, mut server) = (client(hash, account), Server::new(hash, SERVER_NONCE.to_owned()));
    let first = tamper(0, client.first());
    let Step::Challenge(challenge) = server.step(store, &first) else { return (None, false) };
    let Ok(ClientStep::Send(proof)) = client.step(cache, &tamper(1, challenge)) else { return (None, false) };
    match server.step(store, &tamper(2, proof)) {
        Step::Done { principal, last, .. } => {
            let is_content = client.step(cache, &tamper(3, last)) == Ok(ClientStep::Done);
            (Some(principal), is_content)
        }
        _ => (None, false),
    }
}

fn untouched(_: usize, token: Vec<u8>) -> Vec<u8> {
    token
}

#[test]
fn no_byte_of_any_message_can_be_changed() {
    let (account, cache) = (account("a,b=c", "pencil"), cache());
    for hash in [Hash::Sha256, Hash::Sha512] {
        let store = store("a,b=c", "pencil");
        assert_eq!(converse(&store, &cache, hash, &account, &untouched), (Some("a,b=c".to_owned()), true));
        for message in 0..4 {
            for at in 0..250 {
                for bit in [0x01, 0x02, 0x20, 0x80] {
                    let is_there = std::cell::Cell::new(false);
                    let flip = |number: usize, mut token: Vec<u8>| {
                        if let Some(byte) = token.get_mut(at).filter(|_| number == message) {
                            *byte ^= bit;
                            is_there.set(true);
                        }
                        token
                    };
                    // A changed salt would cost a PBKDF2 each; the first bytes of it say enough.
                    let is_salt = message == 1 && at > 57;
                    if is_salt && bit != 0x01 {
                        continue;
                    }
                    let (principal, is_content) = converse(&store, &cache, hash, &account, &flip);
                    assert!(!is_content || !is_there.get(), "message {message}, byte {at}, bit {bit}");
                    assert!(principal.is_none() || message == 3 || !is_there.get(), "message {message}, byte {at}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn client_and_server_understand_each_other(
        name in "[a-z,=]{1,12}|\\PC{1,8}|=2C,=3D", password in "[ -~]{1,12}|\\PC{1,12}", other in "[a-z]{1,5}",
        hash in prop_oneof![Just(Hash::Sha256), Just(Hash::Sha512)],
    ) {
        prop_assume!(password != other);
        let Some(prepared) = prepare(&name) else { return Ok(()) };
        let (store, cache) = (store(&prepared, &password), cache());
        let right = converse(&store, &cache, hash, &account(&name, &password), &untouched);
        prop_assert_eq!(right, (Some(prepared.clone()), true));
        let wrong = converse(&store, &cache, hash, &account(&name, &other), &untouched);
        prop_assert_eq!(wrong, (None, false));
        let unknown = converse(&store, &cache, hash, &account(&format!("{prepared}a"), &password), &untouched);
        prop_assert_eq!(unknown, (None, false));
    }

    #[test]
    fn arbitrary_challenges_never_satisfy(tokens in proptest::collection::vec(prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80),
        "r=(rOprNGfwEbeRWgbNEkqO)?[a-z,=]{0,4},s=[A-Za-z0-9=]{0,8},i=(4096|[0-9]{0,5})".prop_map(String::into_bytes),
        "[ve]=[A-Za-z0-9=+/]{0,44}".prop_map(String::into_bytes),
        Just(Vector::SERVER_FIRST.into()),
    ], 1..4)) {
        let (cache, mut client) = (cache(), client(Hash::Sha256, &account("user", "pencil")));
        client.first();
        for token in tokens {
            prop_assert_ne!(client.step(&cache, &token), Ok(ClientStep::Done));
        }
    }
}
