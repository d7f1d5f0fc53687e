//! Keys from a provider: when they are fetched, and what happens until they are there.

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
    assert_eq!(checker.fetched(NOW, Ok(old().as_bytes())), Ok(2));
    checker
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
    assert_eq!(checker.fetched(NOW + 50, Ok(new().as_bytes())), Ok(1));
    assert_eq!(login(&checker, NOW + 50), done("alice", NOW + 360_000));
}

#[test]
fn keys_are_fetched_at_once_and_then_in_turn() {
    let checker = checker();
    assert_eq!(checker.fetch_due(NOW), Some(endpoint()));
    assert_eq!(checker.fetch_due(NOW), None);
    assert_eq!(checker.fetched(NOW + 20, Ok(new().as_bytes())), Ok(1));
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
        assert_eq!(checker.fetched(now, Err("503")), Err("503".to_owned()));
        assert_eq!(checker.fetch_due(now + backoff * 1000 - 1), None);
        now += backoff * 1000;
    }
    assert_eq!(checker.fetch_due(now), Some(endpoint()));
    assert_eq!(checker.fetched(now, Ok(new().as_bytes())), Ok(1));
    // A success forgets them.
    now += REFRESH;
    assert_eq!(checker.fetch_due(now), Some(endpoint()));
    assert_eq!(checker.fetched(now, Err("503")), Err("503".to_owned()));
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
    assert_eq!(checker.fetched(NOW + 11_001, Ok(new().as_bytes())), Ok(1));
    assert_eq!(login(&checker, NOW + 11_001), done("alice", NOW + 360_000));
    assert_eq!(checker.fetch_due(NOW + 11_001 + REFRESH - 1), None);
}

#[test]
fn bad_sets_leave_the_old_keys() {
    let checker = checker();
    assert_eq!(checker.fetch_due(NOW), Some(endpoint()));
    assert_eq!(checker.fetched(NOW, Ok(new().as_bytes())), Ok(1));
    let mut now = NOW + REFRESH;
    for (bad, why) in [
        (b"<html>".as_slice(), "not a JWK Set (line 1, column 1)"),
        (br#"{"keys":[]}"#, "the JWK Set holds no key for signatures"),
        (
            br#"{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"}]}"#,
            "keys[0]: an RSA key of 1 bits is too weak: at least 2048",
        ),
    ] {
        assert_eq!(checker.fetch_due(now), Some(endpoint()));
        assert_eq!(checker.fetched(now, Ok(bad)), Err(why.to_owned()));
        let token = signed(HEADER, &claims(&format!(r#"{{"exp": {}}}"#, now / 1000 + 10)));
        assert_eq!(step(&checker, &Real, &message(&token), now), done("alice", now + 70_000));
        now += 60_000;
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
    assert_eq!(checker.fetched(now, Ok(new().as_bytes())), Ok(1));
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
            assert_eq!(checker.fetched(now, Ok(old().as_bytes())), Ok(2));
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
            assert_eq!(checker.fetched(now, Err("503")), Err("503".to_owned()));
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
