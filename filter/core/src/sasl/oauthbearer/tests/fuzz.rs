//! Anything may come in: nothing panics, and only what was signed gets through.

use proptest::prelude::*;

use super::*;
use crate::sasl::oauthbearer::jwt::Jwt;

/// Says yes to one text and signature only.
struct Exactly {
    text: Vec<u8>,
    signature: Vec<u8>,
}

impl Exactly {
    fn of(token: &str) -> Self {
        let fake = Fake::saying(true);
        let _ = step(&Checker::new(settings()), &fake, &message(token), NOW);
        let call = fake.calls.borrow()[0].clone();
        Self { text: call.text, signature: call.signature }
    }
}

impl Verifier for Exactly {
    fn verify(&self, _: &[u8], digest: Digest, signature: &[u8], text: &[u8]) -> bool {
        digest == Digest::Sha256 && signature == self.signature && text == self.text
    }
}

/// Headers, claims and pieces of JSON that come near to good ones.
fn json() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just(HEADER.to_owned()),
        Just(claims("{}")),
        Just(r#"{"alg":"none"}"#.to_owned()),
        r#"\{"(alg|kid|typ|exp|aud|scope|sub)":("[a-zA-Z0-9 ]{0,6}"|-?[0-9]{1,30}(e[0-9]{1,4})?|\[\]|null|true)\}"#,
        "[{}\\[\\]\":,a-z0-9]{0,40}",
        any::<String>(),
    ];
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_bytes_lead_nowhere(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let checker = Checker::new(settings());
        for message in [bytes.clone(), [b"n,,\x01auth=Bearer ".as_slice(), &bytes, b"\x01\x01"].concat()] {
            for verifier in [Fake::saying(false), Fake::saying(true)] {
                let (step, _) = step(&checker, &verifier, &message, NOW);
                prop_assert!(matches!(step, Step::Failed | Step::Rejected(_)));
            }
        }
    }

    #[test]
    fn arbitrary_tokens_lead_nowhere(header in json(), claims in json(), signature in proptest::collection::vec(any::<u8>(), 64)) {
        let token = format!("{}.{}.{}", encode(header), encode(&claims), encode(signature));
        let checker = Checker::new(settings());
        let (step, _) = step(&checker, &Fake::saying(false), &message(&token), NOW);
        prop_assert!(matches!(step, Step::Failed | Step::Rejected(_)));
        // Signed by the right key, and still nonsense.
        let (step, _) = super::step(&checker, &Fake::saying(true), &message(&token), NOW);
        let nonsense = claims != super::claims("{}");
        let through = matches!(step, Step::Done { .. });
        prop_assert!(!(through && nonsense));
    }

    #[test]
    fn arbitrary_sets_are_read_or_refused(json in json(), more in any::<String>()) {
        for text in [format!(r#"{{"keys":[{json}]}}"#), ec_jwk(&format!(",{more}")), more] {
            if let (Ok(strict), Ok((tolerant, _))) = (KeySet::parse(&text), KeySet::parse_tolerant(text.as_bytes())) {
                prop_assert_eq!(strict.candidates_der(), tolerant.candidates_der());
            }
            let pem = format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----");
            prop_assert!(KeySet::of_pem(&pem).is_err());
        }
    }

    #[test]
    fn a_changed_message_is_not_believed(at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<bool>()) {
        let (good, checker) = (good(), Checker::new(settings()));
        let exactly = Exactly::of(&good);
        prop_assert_eq!(step(&checker, &exactly, &message(&good), NOW), done("alice", NOW + 360_000));
        let mut changed = good.clone().into_bytes();
        let index = at.index(changed.len());
        if cut {
            changed.remove(index);
        } else {
            changed[index] = to;
        }
        prop_assume!(changed != good.as_bytes());
        let bytes = [b"n,,\x01auth=Bearer ".as_slice(), &changed, b"\x01\x01"].concat();
        let (step, _) = step(&checker, &exactly, &bytes, NOW);
        // A space or a separator may only make it a message that fails, or none at all.
        prop_assert!(!matches!(step, Step::Done { .. }), "{:?}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn no_bit_of_a_token_is_free() {
    let (good, checker) = (good(), Checker::new(settings()));
    let exactly = Exactly::of(&good);
    assert!(Jwt::parse(&good).is_ok());
    for index in 0..good.len() {
        for bit in 0..7 {
            let mut changed = good.clone().into_bytes();
            changed[index] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            let (step, _) = step(&checker, &exactly, &message(&changed), NOW);
            assert!(!matches!(step, Step::Done { .. }), "{changed}");
        }
    }
}
