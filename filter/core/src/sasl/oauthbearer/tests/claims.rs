//! What a token must say, and when.

use super::*;

/// What becomes of a token that says `other`, by `settings`.
#[track_caller]
fn check(settings: Settings, other: &str, expected: (Step, Option<&'static str>)) {
    let token = signed(HEADER, &claims(other));
    assert_eq!(step(&Checker::new(settings), &Real, &message(&token), NOW), expected, "{other}");
}

fn good_for(other: &str) {
    check(settings(), other, done("alice", NOW + 360_000));
}

fn bad(why: &'static str, others: &[&str]) {
    for other in others {
        check(settings(), other, invalid(why));
    }
}

/// A claim with a time so many seconds from now.
fn at(name: &str, seconds: f64) -> String {
    format!(r#"{{"{name}": {}}}"#, NOW_S as f64 + seconds)
}

#[test]
fn the_end() {
    check(settings(), &at("exp", -59.0), done("alice", NOW + 1_000));
    check(settings(), &at("exp", -59.5), done("alice", NOW + 500));
    bad("the token is expired", &[&at("exp", -60.0), &at("exp", -3600.0), r#"{"exp": 0}"#, r#"{"exp": -1e300}"#]);
    bad("exp is missing", &[r#"{"exp": null}"#]);
    let numbers = "exp, nbf and iat must be numbers";
    bad(numbers, &[r#"{"exp": "1900000000"}"#, r#"{"exp": [1900000000]}"#, r#"{"exp": true}"#]);
    // 9999-12-31T23:59:59Z
    for late in ["253402300799", "9e18", "1e300", "18446744073709551615"] {
        check(settings(), &format!(r#"{{"exp": {late}}}"#), done("alice", 253_402_300_799_000 + 60_000));
    }
    check(Settings { clock_skew_s: 0, ..settings() }, &at("exp", 0.0), invalid("the token is expired"));
    check(
        Settings { clock_skew_s: 0, ..settings() },
        r#"{"exp": 1780000001, "nbf": 1780000000}"#,
        done("alice", NOW + 1_000),
    );
    check(Settings { clock_skew_s: u64::MAX, ..settings() }, r#"{"exp": 1}"#, done("alice", u64::MAX));
}

#[test]
fn a_claim_of_null_is_no_number() {
    let token = signed(HEADER, &claims("{}").replace(&format!("{}", NOW_S + 300), "null"));
    let why = invalid("exp, nbf and iat must be numbers");
    assert_eq!(step(&Checker::new(settings()), &Real, &message(&token), NOW), why);
    let token = signed(HEADER, &claims("{}").replace(&format!("{}", NOW_S + 300), "1e999"));
    assert_eq!(step(&Checker::new(settings()), &Real, &message(&token), NOW), invalid("the claims are malformed"));
}

#[test]
fn the_beginning() {
    good_for(r#"{"nbf": null, "iat": null}"#);
    good_for(r#"{"nbf": -5, "iat": 0.5}"#);
    good_for(&at("nbf", 60.0));
    good_for(&at("iat", 60.0));
    bad("the token is not valid yet", &[&at("nbf", 60.5), &at("nbf", 3600.0), r#"{"nbf": 1e300}"#]);
    bad("the token was issued in the future", &[&at("iat", 60.5), r#"{"iat": 9e18}"#]);
    bad("exp, nbf and iat must be numbers", &[r#"{"nbf": "0"}"#, r#"{"iat": {}}"#]);
}

#[test]
fn the_issuer() {
    let others = [r#"{"iss": "https://idp.example.com/"}"#, r#"{"iss": ""}"#, r#"{"iss": null}"#];
    bad("iss is another one", &others);
    bad("iss must be text", &[r#"{"iss": ["https://idp.example.com"]}"#]);
    for other in others {
        check(Settings { issuer: None, ..settings() }, other, done("alice", NOW + 360_000));
    }
}

#[test]
fn the_audience() {
    good_for(r#"{"aud": ["other", "kafka"]}"#);
    bad(
        "aud does not hold ours",
        &[r#"{"aud": "kafka2"}"#, r#"{"aud": []}"#, r#"{"aud": null}"#, r#"{"aud": ["Kafka"]}"#],
    );
    bad("aud does not hold ours", &[r#"{"aud": "kafka other"}"#]);
    bad("aud must be text or texts", &[r#"{"aud": ["kafka", 1]}"#, r#"{"aud": {"kafka": 1}}"#]);
    check(Settings { audience: None, ..settings() }, r#"{"aud": "other"}"#, done("alice", NOW + 360_000));
}

#[test]
fn the_scopes() {
    good_for(r#"{"scope": ["write", "read"]}"#);
    good_for(r#"{"scope": null, "scp": "read write"}"#);
    good_for(r#"{"scope": null, "scp": ["read", "write", "admin"]}"#);
    let challenge = r#"{"status":"insufficient_scope","scope":"read write"}"#;
    let others = [
        r#"{"scope": null}"#,
        r#"{"scope": "read"}"#,
        r#"{"scope": "readwrite"}"#,
        r#"{"scope": "READ WRITE"}"#,
        r#"{"scope": []}"#,
        r#"{"scope": "", "scp": "read write"}"#,
    ];
    for other in others {
        check(settings(), other, (Step::Rejected(challenge.into()), Some("a required scope is missing")));
    }
    bad("scope must be text or texts", &[r#"{"scope": 1}"#, r#"{"scope": ["read", "write", 1]}"#]);
    // Which scopes it takes is told only to those whose token is right otherwise.
    bad("the token is expired", &[r#"{"scope": null, "exp": 1}"#]);
    check(Settings { required_scopes: vec![], ..settings() }, r#"{"scope": null}"#, done("alice", NOW + 360_000));
    let quoted = Settings { required_scopes: vec![r#"a"b"#.to_owned()], ..settings() };
    let challenge = r#"{"status":"insufficient_scope","scope":"a\"b"}"#;
    check(quoted, "{}", (Step::Rejected(challenge.into()), Some("a required scope is missing")));
}

#[test]
fn the_principal() {
    check(settings(), r#"{"sub": "Älice, CN=x"}"#, done("Älice, CN=x", NOW + 360_000));
    let by_name = Settings { principal_claim: "https://example.com/name".to_owned(), ..settings() };
    check(by_name.clone(), r#"{"https://example.com/name": "bob"}"#, done("bob", NOW + 360_000));
    check(by_name, "{}", invalid("the principal's claim is not text"));
    bad("the principal's claim is not text", &[r#"{"sub": null}"#, r#"{"sub": 7}"#, r#"{"sub": ["alice"]}"#]);
    let names = [r#"{"sub": ""}"#, r#"{"sub": " \t"}"#, r#"{"sub": "a\nb"}"#, r#"{"sub": "a\u0000"}"#];
    bad("the principal's claim is not a name", &names);
}
