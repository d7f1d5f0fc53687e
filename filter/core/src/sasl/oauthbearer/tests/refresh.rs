//! Keys from a provider: when they are fetched, and what happens until they are there.

use super::super::Fetched;
use super::*;

const NO_KEYS: (Step, Option<&str>) = (Step::Unavailable("no keys were fetched yet"), None);
const NEW_KEY: (Step, Option<&str>) = (Step::Unavailable("the token's key is not known yet"), None);
const REFRESH: Millis = 600_000;

fn checker() -> Checker {
    Checker::new(Settings { keys: KeySource::Http(endpoint()), ..settings() })
}

fn old() -> String {
    set(&[ec_jwk(r#","kid":"old""#), rsa_jwk(r#","kid":"rsa""#)])
}

fn new() -> String {
    set(&[ec_jwk(r#","kid":"ec""#)])
}

/// A checker that has fetched [`old`] at [`NOW`].
fn fetched() -> Checker {
    let checker = checker();
    assert_eq!(checker.fetch_due(NOW), Some(endpoint()));
    assert_eq!(checker.fetched(NOW, Ok(old().as_bytes())), changed(2));
    checker
}

fn changed(keys: usize) -> Fetched {
    Fetched::Changed { keys, problem: None }
}

fn why(fetched: Fetched) -> String {
    match fetched {
        Fetched::Failed { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

/// A token of the key in [`new`] or [`old`], good until a little later than `now`.
fn at(now: Millis, header: &str) -> Vec<u8> {
    message(&signed(header, &claims(&format!(r#"{{"exp": {}}}"#, now / 1000 + 10))))
}

fn login(checker: &Checker, now: Millis) -> (Step, Option<&'static str>) {
    step(checker, &Real, &message(&good()), now)
}

#[test]
fn fixed_keys_are_never_fetched() {
    let checker = Checker::new(settings());
    assert_eq!(checker.fetch_due(NOW), None);
    let unknown = signed(r#"{"alg":"ES256","kid":"x"}"#, &claims("{}"));
    assert_eq!(step(&checker, &Real, &message(&unknown), NOW), invalid("no key fits kid and alg"));
    assert_eq!(checker.fetch_due(NOW + REFRESH), None);
}

#[test]
fn nobody_logs_in_before_the_first_keys() {
    let checker = checker();
    assert_eq!(login(&checker, NOW), NO_KEYS);
    assert_eq!(checker.fetch_due(NOW), Some(endpoint()));
    assert_eq!(login(&checker, NOW), NO_KEYS);
    // What could never be right is refused all the same.
    assert_eq!(step(&checker, &Real, b"x", NOW).0, Step::Failed);
    assert_eq!(step(&checker, &Real, &message("x"), NOW), invalid("not a signed JWT"));
    assert_eq!(checker.fetched(NOW + 50, Ok(new().as_bytes())), changed(1));
    assert_eq!(login(&checker, NOW + 50), done("alice", NOW + 360_000));
}

#[test]
fn keys_are_fetched_at_once_and_then_in_turn() {
    let checker = checker();
    assert_eq!(checker.fetch_due(NOW), Some(endpoint()));
    assert_eq!(checker.fetch_due(NOW), None);
    assert_eq!(checker.fetched(NOW + 20, Ok(new().as_bytes())), changed(1));
    assert_eq!(checker.fetch_due(NOW + 20 + REFRESH - 1), None);
    assert_eq!(checker.fetch_due(NOW + 20 + REFRESH), Some(endpoint()));
    assert_eq!(checker.fetch_due(NOW + 20 + REFRESH), None);
}

#[test]
fn failures_are_retried_less_and_less_often() {
    let checker = checker();
    let mut now = NOW;
    for backoff in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
        assert_eq!(checker.fetch_due(now), Some(endpoint()));
        assert_eq!(why(checker.fetched(now, Err("503"))), "503");
        assert_eq!(checker.fetch_due(now + backoff * 1000 - 1), None);
        now += backoff * 1000;
    }
    assert_eq!(checker.fetch_due(now), Some(endpoint()));
    assert_eq!(checker.fetched(now, Ok(new().as_bytes())), changed(1));
    // A success forgets them.
    now += REFRESH;
    assert_eq!(checker.fetch_due(now), Some(endpoint()));
    assert_eq!(why(checker.fetched(now, Err("503"))), "503");
    assert_eq!(checker.fetch_due(now + 1_000), Some(endpoint()));
}

#[test]
fn silence_is_a_failure() {
    let checker = checker();
    assert_eq!(checker.fetch_due(NOW), Some(endpoint()));
    assert_eq!(checker.fetch_due(NOW + 9_999), None);
    assert_eq!(checker.fetch_due(NOW + 10_000), None);
    assert_eq!(checker.fetch_due(NOW + 10_999), None);
    assert_eq!(checker.fetch_due(NOW + 11_000), Some(endpoint()));
    // An answer that comes late is an answer.
    assert_eq!(checker.fetched(NOW + 11_001, Ok(new().as_bytes())), changed(1));
    assert_eq!(login(&checker, NOW + 11_001), done("alice", NOW + 360_000));
    assert_eq!(checker.fetch_due(NOW + 11_001 + REFRESH - 1), None);
}

/// 503, and what is no JWK Set: the old keys stay for an hour after they came, and then there are none until
/// new ones come.
#[test]
fn failures_leave_the_old_keys_for_a_while() {
    let bad: [Result<&[u8], &str>; 4] = [Err("503"), Ok(b"<html>"), Ok(br#"{"keys":{}}"#), Ok(br#"{"keys":[1]}"#)];
    let end = NOW + 3_600_000;
    for bad in bad {
        let checker = checker();
        assert_eq!(checker.fetch_due(NOW), Some(endpoint()));
        assert_eq!(checker.fetched(NOW, Ok(new().as_bytes())), changed(1));
        for (now, left) in [(NOW + REFRESH, 3_000_000), (end - 1, 1)] {
            assert_eq!(checker.fetch_due(now), Some(endpoint()));
            let failed = checker.fetched(now, bad);
            assert!(matches!(&failed, Fetched::Failed { keys_left_ms, .. } if *keys_left_ms == left), "{failed:?}");
            assert!(failed.is_warning());
            assert_eq!(step(&checker, &Real, &at(now, HEADER), now), done("alice", now / 1000 * 1000 + 70_000));
        }
        let too_old = (Step::Unavailable("the keys that were fetched last are too old"), None);
        assert_eq!(step(&checker, &Real, &at(end, HEADER), end), too_old);
        assert_eq!(checker.fetch_due(end + 60_000), Some(endpoint()));
        let failed = checker.fetched(end + 60_000, bad).to_string();
        assert!(failed.ends_with("; no keys are in use, and no token can be checked"), "{failed}");
        // The same keys, and they are good again.
        assert_eq!(checker.fetch_due(end + 180_000), Some(endpoint()));
        assert_eq!(checker.fetched(end + 180_000, Ok(new().as_bytes())), Fetched::Same { keys: 1 });
        let now = end + 180_000;
        assert_eq!(step(&checker, &Real, &at(now, HEADER), now), done("alice", now + 70_000));
    }
}

/// A JWK Set replaces the keys, whatever is in it: a provider that withdraws its last key is obeyed.
#[test]
fn a_set_without_usable_keys_withdraws_the_old_ones() {
    let weak = "keys[0]: an RSA key of 1 bits is too weak: at least 2048";
    for (set, problem) in [
        (r#"{"keys":[]}"#, None),
        (r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","kid":"ec"}]}"#, None),
        (r#"{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB","kid":"ec"}]}"#, Some(weak.to_owned())),
    ] {
        let checker = checker();
        checker.fetch_due(NOW);
        assert_eq!(checker.fetched(NOW, Ok(new().as_bytes())), changed(1));
        let now = NOW + REFRESH;
        checker.fetch_due(now);
        let fetched = checker.fetched(now, Ok(set.as_bytes()));
        assert_eq!(fetched, Fetched::Changed { keys: 0, problem });
        assert!(fetched.is_warning() && fetched.to_string().contains("0 keys are in use, and every token is refused"));
        for header in [HEADER, r#"{"alg":"ES256"}"#] {
            assert_eq!(step(&checker, &Real, &at(now, header), now), invalid("no key fits kid and alg"));
        }
        // Said once, and not before the next fetch in turn is asked again.
        assert_eq!(checker.fetch_due(now + REFRESH - 1), None);
        checker.fetch_due(now + REFRESH);
        assert_eq!(checker.fetched(now + REFRESH, Ok(set.as_bytes())), Fetched::Same { keys: 0 });
    }
}

/// Another key under the name of the old one takes its place; two keys of one name are both tried.
#[test]
fn keys_are_more_than_their_names() {
    let checker = checker();
    let same_name = |keys: &[String]| set(keys).replace(r#""kid":"rsa""#, r#""kid":"ec""#);
    let rsa = rsa_jwk(r#","kid":"rsa""#);
    for (set, fetched, good) in [
        (new(), changed(1), true),
        (same_name(std::slice::from_ref(&rsa)), changed(1), false),
        (same_name(&[rsa, ec_jwk(r#","kid":"ec""#)]), changed(2), true),
    ] {
        checker.fetched(NOW, Ok(new().as_bytes()));
        checker.fetched(NOW, Ok(br#"{"keys":[]}"#));
        assert_eq!(checker.fetched(NOW, Ok(set.as_bytes())), fetched);
        let (step, _) = login(&checker, NOW);
        assert_eq!(matches!(step, Step::Done { .. }), good, "{set}");
    }
}

#[test]
fn keys_rotate() {
    let checker = fetched();
    let mut now = NOW + 10_000;
    // The provider signs with a new key. The first token brings it in, the client comes again.
    assert_eq!(login(&checker, now), NEW_KEY);
    assert_eq!(checker.fetch_due(now), Some(endpoint()));
    assert_eq!(login(&checker, now), NEW_KEY);
    now += 5;
    assert_eq!(checker.fetched(now, Ok(new().as_bytes())), changed(1));
    assert_eq!(login(&checker, now), done("alice", NOW + 360_000));
    // The old one is gone with it.
    let withdrawn = signed(r#"{"alg":"ES256","kid":"old"}"#, &claims("{}"));
    assert_eq!(step(&checker, &Real, &message(&withdrawn), now), invalid("no key fits kid and alg"));
    assert_eq!(checker.fetch_due(now + REFRESH - 1), None);
    assert_eq!(checker.fetch_due(now + REFRESH), Some(endpoint()));
}

#[test]
fn unknown_keys_do_not_cause_fetches_at_will() {
    let checker = fetched();
    assert_eq!(login(&checker, NOW + 9_999), invalid("no key fits kid and alg"));
    assert_eq!(checker.fetch_due(NOW + 9_999), None);
    let mut fetches = 0;
    for tick in 1..=600 {
        let now = NOW + tick * 100;
        let (step, _) = login(&checker, now);
        assert!(matches!(step, Step::Unavailable(_) | Step::Rejected(_)));
        if checker.fetch_due(now).is_some() {
            fetches += 1;
            assert_eq!(checker.fetched(now, Ok(old().as_bytes())), Fetched::Same { keys: 2 });
        }
    }
    // In a minute.
    assert_eq!(fetches, 6);
}

#[test]
fn a_provider_that_is_away_is_not_asked_more_often() {
    let checker = fetched();
    let mut fetches = vec![];
    for tick in 100..=700 {
        let now = NOW + tick * 100;
        assert_eq!(login(&checker, now), NEW_KEY);
        if checker.fetch_due(now).is_some() {
            fetches.push((now - NOW) / 1000);
            assert_eq!(why(checker.fetched(now, Err("503"))), "503");
        }
    }
    assert_eq!(fetches, [10, 11, 13, 17, 25, 35, 45, 55, 65]);
}

#[test]
fn a_wrong_signature_or_type_of_a_known_key_causes_no_fetch() {
    let checker = fetched();
    let now = NOW + 20_000;
    let (token, _) = signed(r#"{"alg":"ES256","kid":"old"}"#, "{}")
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let forged = format!("{token}.{}", encode([1; 64]));
    assert_eq!(step(&checker, &Real, &message(&forged), now), invalid("the signature is wrong"));
    let other_type = signed(r#"{"alg":"ES256","kid":"rsa"}"#, &claims("{}"));
    assert_eq!(step(&checker, &Real, &message(&other_type), now), invalid("no key fits kid and alg"));
    assert_eq!(checker.fetch_due(now), None);
}
