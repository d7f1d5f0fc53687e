//! `upstream.sasl.per_principal`: which keys are taken, and which client gets which identity.

use super::*;
use crate::config::BrokerIdentities;
use crate::sasl::identity::{Identity, Proof};

const USERS: &str = r#""sasl": {"mechanisms": ["PLAIN", "SCRAM-SHA-512"], "users": [
    {"username": "alice", "password": "x"}, {"username": "J\u00f6rg", "password": "x"}
]}"#;
const TOKENS: &str = r#""sasl": {"mechanisms": ["OAUTHBEARER"],
    "oauthbearer": {"jwks": {"http": {"cluster": "c", "authority": "a", "path": "/"}}}}"#;
const BOTH: &str = r#""sasl": {"mechanisms": ["SCRAM-SHA-512", "OAUTHBEARER"],
    "users": [{"username": "alice", "password": "x"}, {"username": "J\u00f6rg", "password": "x"}],
    "oauthbearer": {"jwks": {"http": {"cluster": "c", "authority": "a", "path": "/"}}}}"#;
const CERTIFICATES: &str = r#""principal": {}"#;

const SCRAM: Proof = Proof::Sasl(Mechanism::ScramSha512);
const TOKEN: Proof = Proof::Sasl(Mechanism::OauthBearer);

fn written(clients: &str, shared: bool, rest: &str) -> String {
    let shared = if shared { r#""username": "gateway", "password": "g", "# } else { "" };
    format!(r#"{{{clients}, "upstream": {{"sasl": {{"mechanism": "PLAIN", {shared}{rest}}}}}}}"#)
}

/// An entry `name`: its login is `login`.
fn entry(name: &str, login: &str, more: &str) -> String {
    format!(r#""{name}": {{"username": "{login}", "password": "p"{more}}}"#)
}

fn upstream(clients: &str, rest: &str) -> BrokerIdentities {
    accepted(&written(clients, true, rest)).upstream.unwrap()
}

fn per_principal(entries: &[String]) -> String {
    format!(r#""per_principal": {{{}}}"#, entries.join(", "))
}

/// As whom `principal` comes to the broker, and whether that is its own identity.
fn acting(upstream: &BrokerIdentities, principal: &str, proof: Proof) -> Result<(String, bool), &'static str> {
    let client = Identity { principal: principal.to_owned(), proof, ends: None };
    let acting = upstream.identity_for(Some(&client))?;
    Ok((acting.account.username.clone(), acting.is_own))
}

fn own(name: &str) -> Result<(String, bool), &'static str> {
    Ok((name.to_owned(), true))
}

fn gateway() -> Result<(String, bool), &'static str> {
    Ok(("gateway".to_owned(), false))
}

#[test]
fn a_user_is_found_however_the_name_is_typed() {
    for key in ["J\u{f6}rg", "Jo\u{308}rg", "J\u{ad}\u{f6}rg"] {
        let upstream = upstream(USERS, &per_principal(&[entry(key, "j", "")]));
        assert_eq!(acting(&upstream, "J\u{f6}rg", SCRAM), own("j"), "{key:?}");
        assert_eq!(acting(&upstream, "alice", SCRAM), gateway());
    }
}

/// Who names itself in a token could choose the soft hyphen to be somebody else, or would be the shared
/// identity unseen.
#[test]
fn other_names_are_compared_byte_for_byte_and_refused_where_only_the_spelling_differs() {
    for (clients, proof) in [(TOKENS, TOKEN), (BOTH, TOKEN), (CERTIFICATES, Proof::Certificate)] {
        for (key, others) in [
            ("alice", ["ali\u{ad}ce", "\u{aa}lice"]),
            ("Jo\u{308}rg", ["J\u{f6}rg", "J\u{ad}o\u{308}rg"]),
            ("J\u{f6}rg", ["Jo\u{308}rg", "J\u{f6}\u{ad}rg"]),
        ] {
            let upstream = upstream(clients, &per_principal(&[entry(key, "own", "")]));
            assert_eq!(acting(&upstream, key, proof), own("own"));
            for other in others {
                assert!(acting(&upstream, other, proof).unwrap_err().contains("spells"), "{key:?} {other:?}");
            }
            assert_eq!(acting(&upstream, "Alice", proof), gateway(), "another name altogether");
        }
    }
    // What SASLprep cannot prepare is a name all the same.
    let odd = "CN=a\\u0007";
    let upstream = upstream(CERTIFICATES, &per_principal(&[entry(odd, "own", "")]));
    assert_eq!(acting(&upstream, "CN=a\u{7}", Proof::Certificate), own("own"));
}

#[test]
fn an_entry_serves_the_proofs_that_it_names() {
    let only_scram = per_principal(&[entry("alice", "alice", r#", "mechanisms": ["SCRAM-SHA-512"]"#)]);
    let upstream_of = |rest: &str| upstream(BOTH, rest);
    let upstream = upstream_of(&only_scram);
    assert_eq!(acting(&upstream, "alice", SCRAM), own("alice"));
    assert_eq!(acting(&upstream, "alice", TOKEN), gateway());
    let upstream = upstream_of(&format!(r#"{only_scram}, "per_principal_only": true"#));
    assert_eq!(acting(&upstream, "alice", SCRAM), own("alice"));
    for (name, proof) in [("alice", TOKEN), ("bob", SCRAM)] {
        assert!(acting(&upstream, name, proof).unwrap_err().contains("has no identity"));
    }
    let by_certificate = per_principal(&[entry("ANONYMOUS", "a", r#", "mechanisms": ["TLS"]"#)]);
    let upstream = self::upstream(CERTIFICATES, &by_certificate);
    assert_eq!(acting(&upstream, "ANONYMOUS", Proof::Certificate), own("a"));
    assert_eq!(acting(&upstream, "ANONYMOUS", Proof::Nothing), gateway(), "no certificate");
}

/// Else one of them could administer in the name of the other.
#[test]
fn an_identity_that_others_have_too_is_nobodys_own() {
    let entries =
        [entry("a", "one", ""), entry("b", "two", ""), entry("c", "two", ""), entry("d", "gate\\u00adway", "")];
    let upstream = upstream(CERTIFICATES, &per_principal(&entries));
    for (principal, identity, is_own) in
        [("a", "one", true), ("b", "two", false), ("c", "two", false), ("d", "gateway", false), ("e", "gateway", false)]
    {
        let expected = Ok((identity.to_owned(), is_own));
        assert_eq!(acting(&upstream, principal, Proof::Certificate), expected, "{principal}");
    }
    assert_eq!(upstream.identity_for(None).map(|acting| acting.is_own), Ok(false));
}

#[test]
fn keys_that_no_client_can_have() {
    let no_user = "no client can have this name: sasl.users does not list it";
    let alice = |more: &str| entry("alice", "a", more);
    for (clients, entries, problem) in [
        (USERS, entry("bob", "b", ""), format!(".bob: {no_user}")),
        (USERS, entry("Alice", "a", ""), format!(".Alice: {no_user}")),
        (USERS, entry("a\\u0007", "a", ""), format!(".a\u{7}: {no_user}")),
        (BOTH, entry("bob", "b", r#", "mechanisms": ["SCRAM-SHA-512"]"#), format!(".bob: {no_user}")),
        (
            BOTH,
            alice(r#", "mechanisms": ["TLS"]"#),
            r#".alice.mechanisms[0]: "TLS" is none by which clients prove themselves here: SCRAM-SHA-512, OAUTHBEARER"#
                .to_owned(),
        ),
        (
            CERTIFICATES,
            alice(r#", "mechanisms": ["TLS", "NONE"]"#),
            r#".alice.mechanisms[1]: "NONE" is none by which clients prove themselves here: TLS"#.to_owned(),
        ),
        (
            BOTH,
            alice(r#", "mechanisms": ["OAUTHBEARER", "OAUTHBEARER"]"#),
            ".alice.mechanisms[1]: OAUTHBEARER is listed already".to_owned(),
        ),
        (
            BOTH,
            alice(r#", "mechanisms": []"#),
            ".alice.mechanisms: at least one is needed; left out, any counts".to_owned(),
        ),
        (BOTH, [alice(""), alice("")].join(", "), r#": "alice" is listed already"#.to_owned()),
        (
            BOTH,
            [alice(""), entry("ali\\u00adce", "b", "")].join(", "),
            ".ali\u{ad}ce: is listed already, in another spelling: \"alice\"".to_owned(),
        ),
        (
            TOKENS,
            [entry("Jo\u{308}rg", "a", ""), entry("J\u{f6}rg", "b", "")].join(", "),
            ".J\u{f6}rg: is listed already, in another spelling: \"Jo\\u{308}rg\"".to_owned(),
        ),
        (
            r#""mapping": {}"#,
            alice(""),
            ": needs a sasl or principal section; without them no client has a principal".to_owned(),
        ),
    ] {
        for shared in [true, false] {
            let text = written(clients, shared, &per_principal(std::slice::from_ref(&entries)));
            assert_eq!(refused(&text), format!("upstream.sasl.per_principal{problem}"), "{text}");
        }
    }
    let anybody = [entry("bob", "b", ""), entry("CN=x", "c", r#", "mechanisms": ["OAUTHBEARER"]"#)];
    upstream(BOTH, &per_principal(&anybody));
    let text = written(USERS, true, r#""per_principal_only": true"#);
    assert_eq!(refused(&text), "upstream.sasl.per_principal_only: lets nobody in; per_principal names no one");
}

#[test]
fn administration_can_be_shared_without_a_login() {
    let config = accepted(r#"{"upstream": {"shared_administration": true}}"#);
    assert!(config.shared_administration && config.upstream.is_none());
    let config = accepted(&written(CERTIFICATES, true, r#""per_principal": {}"#));
    assert!(!config.shared_administration && config.upstream.is_some());
    assert!(refused(r#"{"upstream": {"shared_administration": null}}"#).starts_with("upstream.shared_administration: "));
}

#[test]
fn brokers_are_advertised_once() {
    let twice = r#"{"advertise": {"table": {"1": "a.example:1", "2": "b.example:2", "1": "c.example:3"}}}"#;
    assert_eq!(refused(twice), r#"advertise.table: "1" is listed already"#);
}
