//! The server against the vectors of RFC 7677, against messages that it must refuse, and against arbitrary
//! bytes.
use std::cell::Cell;

use proptest::prelude::*;

use super::credentials::Keys;
use super::messages::{auth_message, from_base64, to_base64, ClientFirst, ServerFirst};
use super::*;
use crate::sasl::saslname::escape;
use crate::sasl::users::{Store, User};
use crate::sasl::{Mechanism, Step};

thread_local! {
    /// How often PBKDF2 ran in this test.
    pub(in crate::sasl) static DERIVATIONS: Cell<usize> = const { Cell::new(0) };
}

/// How often PBKDF2 runs in `what`.
pub(in crate::sasl) fn derivations<T>(what: impl FnOnce() -> T) -> (usize, T) {
    let before = DERIVATIONS.get();
    let result = what();
    (DERIVATIONS.get() - before, result)
}

pub(in crate::sasl) const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
pub(in crate::sasl) const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

/// The messages of an exchange between `user` with the password `pencil` and a server.
pub(in crate::sasl) struct Vector {
    pub(in crate::sasl) hash: Hash,
    pub(in crate::sasl) stored_key: &'static str,
    pub(in crate::sasl) server_key: &'static str,
    pub(in crate::sasl) proof: &'static str,
    pub(in crate::sasl) signature: &'static str,
}

impl Vector {
    pub(in crate::sasl) const CLIENT_FIRST: &'static str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    pub(in crate::sasl) const SERVER_FIRST: &'static str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    pub(in crate::sasl) const WITHOUT_PROOF: &'static str =
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

    pub(in crate::sasl) fn client_final(&self) -> String {
        format!("{},p={}", Self::WITHOUT_PROOF, self.proof)
    }

    pub(in crate::sasl) fn server_final(&self) -> String {
        format!("v={}", self.signature)
    }

    fn store(&self) -> Store {
        let credentials = Credentials {
            hash: self.hash,
            salt: from_base64("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(),
            iterations: 4096,
            stored_key: from_base64(self.stored_key).unwrap(),
            server_key: from_base64(self.server_key).unwrap(),
        };
        let given = |hash| Some(credentials.clone()).filter(|_| hash == self.hash);
        let (scram_sha_256, scram_sha_512) = (given(Hash::Sha256), given(Hash::Sha512));
        let users = vec![User { name: "user".to_owned(), password: None, scram_sha_256, scram_sha_512 }];
        Store::new(users, &Mechanism::ALL, [1; 32], [2; 32])
    }
}

/// RFC 7677, section 3; the stored keys, which it does not give, and all of SHA-512 with the same nonces,
/// salt and password were computed with `hashlib.pbkdf2_hmac` and `hmac` of Python.
pub(in crate::sasl) const VECTORS: [Vector; 2] = [
    Vector {
        hash: Hash::Sha256,
        stored_key: "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
        server_key: "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        proof: "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        signature: "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    },
    Vector {
        hash: Hash::Sha512,
        stored_key: "6AAub3065EYRmyFpM2RNwqK+eGnrkYuEWbXn19LsEmBqzu8QaCXNc1FwpnX9NhH2hK/60dzj9DoO5DvVkOHbvg==",
        server_key: "jZHbYjC1aHh0/hKbxyBuGFjDrgjgKTT1esA7awWiKcRZ0o/0b1yWEebBeSVkkCFewf91nLDfKF24mvD5nmE6rA==",
        proof: "gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
        signature: "ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==",
    },
];

fn server(hash: Hash) -> Server {
    Server::new(hash, SERVER_NONCE.to_owned())
}

#[test]
fn derived_credentials_are_those_of_the_vectors() {
    for vector in &VECTORS {
        let salt = from_base64("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let derived = Credentials::derive(vector.hash, "pencil", &salt, 4096);
        assert_eq!(to_base64(&derived.stored_key), vector.stored_key);
        assert_eq!(to_base64(&derived.server_key), vector.server_key);
        assert_eq!((derived.salt, derived.iterations, derived.hash), (salt, 4096, vector.hash));
    }
}

#[test]
fn pieces_of_any_size_make_the_same_credentials() {
    let mut random = crate::testing::Random::new(3);
    for round in 0..40 {
        let hash = random.one_of(&[Hash::Sha256, Hash::Sha512]);
        // HMAC takes keys that are longer than a block in another way.
        let password = "p".repeat(random.below(200));
        let (salt, iterations) = (vec![round; random.below(40)], 1 + random.below(300) as u32);
        let mut derivation = derivation::Derivation::new(hash, &password, &salt, iterations);
        let derived = loop {
            let left = derivation.left();
            let piece = 1 + random.below(100) as u32;
            if let Some(derived) = derivation.advance(piece) {
                assert!(left <= piece);
                break derived;
            }
            assert_eq!(derivation.left(), left - piece);
        };
        assert!(derived == Credentials::derive(hash, &password, &salt, iterations), "{hash:?}, {iterations}");
    }
}

#[test]
fn the_server_speaks_as_the_vectors_do() {
    for vector in &VECTORS {
        let (count, ()) = derivations(|| {
            let store = vector.store();
            let mut server = server(vector.hash);
            let challenge = server.step(&store, Vector::CLIENT_FIRST.as_bytes());
            assert_eq!(challenge, Step::Challenge(Vector::SERVER_FIRST.into()));
            let last = vector.server_final().into_bytes();
            let done = Step::Done { principal: "user".to_owned(), expires: None, last };
            assert_eq!(server.step(&store, vector.client_final().as_bytes()), done);
            assert_eq!(server.step(&store, vector.client_final().as_bytes()), Step::Failed, "once is enough");
        });
        assert_eq!(count, 0, "nothing is to be derived from given credentials");
    }
}

#[test]
fn credentials_show_nothing() {
    assert_eq!(format!("{:?}", Credentials::derive(Hash::Sha256, "pencil", b"salt", 1)), "Credentials(…)");
}

/// What the server makes of a client-first.
fn first(store: &Store, token: &str) -> Step {
    server(Hash::Sha256).step(store, token.as_bytes())
}

#[test]
fn variants_of_client_first_that_are_right() {
    let store = VECTORS[0].store();
    for token in [
        "n,,n=user,r=abc",
        "y,,n=user,r=abc",
        "n,a=user,n=user,r=abc",
        "n,,n=user,r=abc,x=something,tokens=1=2",
        "n,,n=user,r=abc,tokenauth=false",
        // A soft hyphen is mapped to nothing, a wide letter to a common one.
        "n,,n=u\u{ad}ser,r=abc",
        "n,,n=\u{ff55}ser,r=abc",
    ] {
        let Step::Challenge(challenge) = first(&store, token) else { panic!("{token} is refused") };
        let expected = format!("r=abc{SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        assert_eq!(challenge, expected.into_bytes(), "{token}");
    }
}

#[test]
fn client_first_is_refused() {
    let store = VECTORS[0].store();
    let long = format!("n,,n=user,r={}", "a".repeat(257));
    let longer = format!("n,,n=user,r=abc,x={}", "a".repeat(crate::limits::SCRAM_TOKEN_BYTES_MAX));
    let long_name = format!("n,,n={},r=abc", "a".repeat(1025));
    for token in [
        "",
        "n",
        "n,,",
        "n,,n=user",
        "n,,r=abc,n=user",
        "n,,n=,r=abc",
        "n,,n=user,r=",
        "n,,n=user,r=a b",
        "n,,n=user,r=\u{e4}",
        "n,,n=us=2cer,r=abc",
        "n,,n=us=er,r=abc",
        "n,,n=us\0er,r=abc",
        "n,,n=us\u{7}er,r=abc",
        "n,,n=user,r=abc,",
        "n,,n=user,r=abc,x",
        "n,,n=user,r=abc,x=",
        "n,,n=user,r=abc,1=a",
        "n,,m=a,n=user,r=abc",
        "n,,n=user,r=abc,m=a",
        "n,,n=user,r=abc,tokenauth=true",
        "n,,n=user,r=abc,x=y,tokenauth=TRUE",
        "n,a=other,n=user,r=abc",
        "n,a=,n=user,r=abc",
        "n,user,n=user,r=abc",
        "p=tls-unique,,n=user,r=abc",
        "p=tls-exporter,,n=user,r=abc",
        "N,,n=user,r=abc",
        "x,,n=user,r=abc",
        &long,
        &longer,
        &long_name,
    ] {
        assert_eq!(first(&store, token), Step::Failed, "{token}");
    }
    assert_eq!(server(Hash::Sha256).step(&store, b"n,,n=us\xffer,r=abc"), Step::Failed);
    let empty = Server::new(Hash::Sha256, String::new()).step(&store, Vector::CLIENT_FIRST.as_bytes());
    assert_eq!(empty, Step::Failed, "a server without a nonce is no server");
}

#[test]
fn client_final_is_refused() {
    let store = VECTORS[0].store();
    let (proof, nonce) = (VECTORS[0].proof, format!("{CLIENT_NONCE}{SERVER_NONCE}"));
    for token in [
        String::new(),
        format!("c=biws,r={nonce}"),
        format!("c=biws,r={nonce},p="),
        format!("c=biws,r={nonce},p={}", &proof[..40]),
        format!("c=biws,r={nonce},p={proof},x=y"),
        format!("c=biws,r={nonce},p={}", proof.trim_end_matches('=')),
        format!("c=biws,r={CLIENT_NONCE},p={proof}"),
        format!("c=biws,r={SERVER_NONCE},p={proof}"),
        format!("c=biws,r={nonce}a,p={proof}"),
        // The header of `y,,`, none at all, and the right one with another padding.
        format!("c=eSws,r={nonce},p={proof}"),
        format!("c=,r={nonce},p={proof}"),
        format!("c=biws====,r={nonce},p={proof}"),
        format!("r={nonce},c=biws,p={proof}"),
        format!("c=biws,r={nonce},m=a,p={proof}"),
        // Signed without the extension.
        format!("c=biws,r={nonce},x=y,p={proof}"),
    ] {
        let mut server = server(Hash::Sha256);
        assert!(matches!(server.step(&store, Vector::CLIENT_FIRST.as_bytes()), Step::Challenge(_)));
        assert_eq!(server.step(&store, token.as_bytes()), Step::Failed, "{token}");
        assert_eq!(server.step(&store, VECTORS[0].client_final().as_bytes()), Step::Failed, "a second try");
    }
}

#[test]
fn extensions_that_are_signed_are_ignored() {
    let (store, mut server) = (VECTORS[0].store(), server(Hash::Sha256));
    let Step::Challenge(challenge) = server.step(&store, b"y,,n=user,r=abc,ext=1") else { panic!("refused") };
    let message = ServerFirst::parse(&challenge).unwrap();
    let salted = Hash::Sha256.salted_password("pencil", &message.salt.unwrap(), 4096);
    let without_proof = format!("c=eSws,r={},ext=2", message.nonce);
    let signed = auth_message("n=user,r=abc,ext=1", message.text, &without_proof);
    let proof = Keys::new(Hash::Sha256, &salted).proof(&signed);
    let token = format!("{without_proof},p={}", to_base64(&proof));
    assert!(matches!(server.step(&store, token.as_bytes()), Step::Done { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn names_survive_escaping(name in "[^\0]{1,20}|[,=2CD3]{1,20}") {
        let token = format!("n,a={0},n={0},r=abc", escape(&name));
        let message = ClientFirst::parse(token.as_bytes()).unwrap();
        prop_assert_eq!(&message.name, &name);
        prop_assert_eq!(message.authzid, Some(name));
        prop_assert_eq!(format!("{}{}", message.gs2_header, message.bare), token);
    }
}

/// Tokens of every shape, right ones among them, but never a right proof.
fn tokens() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let token = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80),
        "[ny],(a=user)?,n=[a-z=,]{0,6},r=[a-z,=]{0,6}".prop_map(String::into_bytes),
        "c=(biws|eSws)?,r=(abc)?[a-z]{0,4},p=[A-Za-z0-9+/]{40}[A-Z0-9=]{0,4}".prop_map(String::into_bytes),
        Just(Vector::CLIENT_FIRST.into()),
        Just(format!("{},p={}=", Vector::WITHOUT_PROOF, "A".repeat(43)).into_bytes()),
    ];
    proptest::collection::vec(token, 1..4)
}

#[test]
fn arbitrary_tokens_never_authenticate() {
    let store = VECTORS[0].store();
    proptest!(|(tokens in tokens())| {
        let mut server = server(Hash::Sha256);
        for token in tokens {
            let step = server.step(&store, &token);
            prop_assert!(!matches!(step, Step::Done { .. }), "{:?}", token);
        }
    });
}
