//! What is accepted in `sasl`, `principal` and `upstream`, and what is said about the rest.

mod principals;
mod secrets;

use crate::config::Config;
use crate::sasl::oauthbearer::jwks::KeySource;
use crate::sasl::scram::Hash;
use crate::sasl::Mechanism;

/// Bytes of zero in Base64: 16, 32 and 64.
const SALT: &str = "AAAAAAAAAAAAAAAAAAAAAA==";
const KEY_256: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const KEY_512: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";

/// RFC 7515, appendix A.3, as JWK and as PEM.
const JWK: &str = r#"{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCSytikYjKIWI5a0"}"#;
const PEM: &str = "-----BEGIN PUBLIC KEY-----\\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\\n\
6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\\n\
-----END PUBLIC KEY-----\\n";

fn environment(name: &str) -> Option<String> {
    match name {
        "ALICE" => Some("in wonderland".to_owned()),
        "_2" => Some("${ALICE}".to_owned()),
        "KEY" => Some(PEM.replace("\\n", "\n")),
        "EMPTY" => Some(String::new()),
        "LONG" => Some("x".repeat(4_097)),
        "ENDLESS" => Some("x".repeat(16_385)),
        _ => None,
    }
}

fn accepted(text: &str) -> Config {
    Config::parse(text, &environment).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn refused(text: &str) -> String {
    Config::parse(text, &environment).map(|_| ()).expect_err(text).to_string()
}

/// A scheme for credentials of either hash.
fn scram(key: &str) -> String {
    format!(r#"{{"salt": "{SALT}", "iterations": 4096, "stored_key": "{key}", "server_key": "{key}"}}"#)
}

fn oauthbearer(fields: &str) -> String {
    format!(r#"{{"sasl": {{"mechanisms": ["OAUTHBEARER"], "oauthbearer": {{{fields}}}}}}}"#)
}

fn users(mechanism: &str, users: &str) -> String {
    format!(r#"{{"sasl": {{"mechanisms": ["{mechanism}"], "users": [{users}]}}}}"#)
}

#[test]
fn sections_that_are_absent_say_nothing() {
    let config = accepted("{}");
    assert!(config.sasl.is_none() && config.principal.is_none() && config.upstream.is_none());
    assert!(accepted(r#"{"upstream": {}}"#).upstream.is_none());
    assert_eq!(accepted(r#"{"principal": {}}"#).principal.unwrap().rules.principal("CN=a").unwrap(), "CN=a");
}

#[test]
fn every_field_is_read() {
    let config = accepted(&format!(
        r#"{{
            "sasl": {{
                "mechanisms": ["SCRAM-SHA-512", "PLAIN", "OAUTHBEARER", "SCRAM-SHA-256"],
                "users": [
                    {{"username": "ali\u00adce", "password": "${{ALICE}}"}},
                    {{"username": "bob", "scram_sha_256": {}, "scram_sha_512": {}}}
                ],
                "oauthbearer": {{
                    "jwks": {{"http": {{"cluster": "idp", "authority": "idp.example", "path": "/keys", "refresh_s": 60}}}},
                    "issuer": "https://idp.example", "audience": "kafka", "required_scopes": ["a", "b"],
                    "clock_skew_s": 0, "principal_claim": "client_id"
                }},
                "max_session_s": 3600
            }},
            "principal": {{"mapping_rules": ["RULE:^CN=([^,]+),.*$/$1/L", "DEFAULT"]}},
            "upstream": {{"sasl": {{
                "mechanism": "SCRAM-SHA-512", "username": "gateway", "password": "secret",
                "per_principal": {{"alice": {{"username": "a", "password": "${{_2}}!"}}}}
            }}}}
        }}"#,
        scram(KEY_256),
        scram(KEY_512),
    ));
    let sasl = config.sasl.unwrap();
    let order = [Mechanism::ScramSha512, Mechanism::Plain, Mechanism::OauthBearer, Mechanism::ScramSha256];
    assert_eq!(sasl.mechanisms, order);
    assert_eq!(sasl.max_session_ms, Some(3_600_000));
    let [alice, bob] = &sasl.users[..] else { panic!("{} users", sasl.users.len()) };
    // SASLprep takes the soft hyphen out.
    assert_eq!((alice.name.as_str(), alice.password.as_ref().unwrap().expose()), ("alice", "in wonderland"));
    assert!(alice.scram_sha_256.is_none() && alice.scram_sha_512.is_none() && bob.password.is_none());
    for (credentials, hash) in [(&bob.scram_sha_256, Hash::Sha256), (&bob.scram_sha_512, Hash::Sha512)] {
        let credentials = credentials.as_ref().unwrap();
        assert_eq!((credentials.hash, credentials.iterations, credentials.salt.len()), (hash, 4_096, 16));
        assert_eq!((credentials.stored_key.len(), credentials.server_key.len()), (hash.bytes(), hash.bytes()));
    }
    let oauthbearer = sasl.oauthbearer.unwrap();
    let KeySource::Http(endpoint) = &oauthbearer.keys else { panic!("no endpoint") };
    assert_eq!((endpoint.cluster.as_str(), endpoint.authority.as_str()), ("idp", "idp.example"));
    assert_eq!((endpoint.path.as_str(), endpoint.refresh_ms), ("/keys", 60_000));
    let texts = (oauthbearer.issuer.as_deref(), oauthbearer.audience.as_deref(), oauthbearer.principal_claim.as_str());
    assert_eq!(texts, (Some("https://idp.example"), Some("kafka"), "client_id"));
    assert_eq!((oauthbearer.required_scopes, oauthbearer.clock_skew_s), (vec!["a".to_owned(), "b".to_owned()], 0));
    assert_eq!(config.principal.unwrap().rules.principal("CN=Duke,O=x").unwrap(), "duke");
    let upstream = config.upstream.unwrap();
    let account = upstream.account.unwrap();
    assert_eq!((upstream.mechanism, account.username.as_str()), (Mechanism::ScramSha512, "gateway"));
    assert_eq!(account.password.expose(), "secret");
    let own = &upstream.per_principal["alice"].account;
    // What comes out of the environment is taken as it is.
    assert_eq!((own.username.as_str(), own.password.expose()), ("a", "${ALICE}!"));
}

#[test]
fn what_is_left_out_has_a_default() {
    let sasl = accepted(&oauthbearer(&format!(r#""jwks": {{"inline": {{"keys": [{JWK}]}}}}"#))).sasl.unwrap();
    assert!(sasl.users.is_empty() && sasl.max_session_ms.is_none());
    let settings = sasl.oauthbearer.unwrap();
    assert!(matches!(&settings.keys, KeySource::Fixed(keys) if keys.len() == 1));
    assert_eq!((settings.issuer, settings.audience, settings.clock_skew_s), (None, None, 60));
    assert_eq!((settings.required_scopes.len(), settings.principal_claim.as_str()), (0, "sub"));
    let http = r#""jwks": {"http": {"cluster": "c", "authority": "a", "path": "/"}}"#;
    let settings = accepted(&oauthbearer(http)).sasl.unwrap().oauthbearer.unwrap();
    assert!(
        matches!(settings.keys, KeySource::Http(endpoint) if (endpoint.refresh_ms, endpoint.max_age_ms) == (300_000, 86_400_000))
    );
}

#[test]
fn a_public_key_is_given_or_comes_from_the_environment() {
    for key in [PEM, "${KEY}"] {
        let settings = accepted(&oauthbearer(&format!(r#""public_key": "{key}""#))).sasl.unwrap().oauthbearer.unwrap();
        assert!(matches!(settings.keys, KeySource::Fixed(keys) if keys.len() == 1), "{key}");
    }
}

#[test]
fn a_user_needs_what_some_mechanism_can_use() {
    let with = |mechanism: &str, field: &str, key| {
        users(mechanism, &format!(r#"{{"username": "a", "{field}": {}}}"#, scram(key)))
    };
    accepted(&with("PLAIN", "scram_sha_256", KEY_256));
    accepted(&with("PLAIN", "scram_sha_512", KEY_512));
    accepted(&with("SCRAM-SHA-512", "scram_sha_512", KEY_512));
    accepted(&users("SCRAM-SHA-512", r#"{"username": "a", "password": "b"}"#));
    let problem = "sasl.users[0]: has no password, and no credentials of an enabled mechanism";
    assert_eq!(refused(&with("SCRAM-SHA-256", "scram_sha_512", KEY_512)), problem);
    assert_eq!(refused(&with("SCRAM-SHA-512", "scram_sha_256", KEY_256)), problem);
}

#[test]
fn mechanisms_that_cannot_be() {
    for (sasl, problem) in [
        ("{}", "sasl: missing field `mechanisms`"),
        (r#"{"mechanisms": []}"#, "sasl.mechanisms: at least one is needed"),
        (
            r#"{"mechanisms": ["plain"]}"#,
            r#"sasl.mechanisms[0]: "plain" is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER"#,
        ),
        (r#"{"mechanisms": ["PLAIN", "PLAIN"]}"#, "sasl.mechanisms[1]: PLAIN is listed already"),
        (r#"{"mechanisms": ["SCRAM-SHA-256"]}"#, "sasl.users: is missing; SCRAM-SHA-256 needs it"),
        (r#"{"mechanisms": ["PLAIN"], "users": []}"#, "sasl.users: 0 users are not in 1..=10000"),
        (r#"{"mechanisms": ["OAUTHBEARER"]}"#, "sasl.oauthbearer: is missing; OAUTHBEARER needs it"),
        (
            r#"{"mechanisms": ["OAUTHBEARER"], "users": [], "oauthbearer": {}}"#,
            "sasl.users: no mechanism uses them; OAUTHBEARER does not",
        ),
        (
            r#"{"mechanisms": ["PLAIN"], "users": [{"username": "a", "password": "b"}], "oauthbearer": {}}"#,
            "sasl.oauthbearer: is for OAUTHBEARER, which is not in mechanisms",
        ),
        (
            r#"{"mechanisms": ["PLAIN"], "users": [{"username": "a", "password": "b"}], "max_session_s": 0}"#,
            "sasl.max_session_s: 0 is not in 1..=2592000",
        ),
        (
            r#"{"mechanisms": ["PLAIN"], "users": [{"username": "a", "password": "b"}], "salt_secret": "fifteen bytes 1"}"#,
            "sasl.salt_secret: is shorter than 16 bytes",
        ),
        (
            r#"{"mechanisms": ["OAUTHBEARER"], "oauthbearer": {"jwks": {"http": {"cluster": "idp", "authority": "idp",
                "path": "/"}}}, "salt_secret": "sixteen bytes, 12"}"#,
            "sasl.salt_secret: is for users, and no mechanism uses them",
        ),
        (
            r#"{"mechanisms": ["PLAIN"], "user": []}"#,
            "sasl.user: unknown field `user`, expected one of `mechanisms`, `users`, `oauthbearer`, `salt_secret`, `max_session_s`",
        ),
        ("null", "sasl: invalid type: null, expected an object"),
        ("[]", "sasl: invalid type: sequence, expected an object"),
    ] {
        assert_eq!(refused(&format!(r#"{{"sasl": {sasl}}}"#)), problem, "{sasl}");
    }
    let many = vec![r#"{"username": "a", "password": "b"}"#; 10_001].join(",");
    assert_eq!(refused(&users("PLAIN", &many)), "sasl.users: 10001 users are not in 1..=10000");
}

#[test]
fn users_that_cannot_be() {
    let name = "is no user name: 1 to 1024 bytes, without control characters and what else SASLprep prohibits";
    let good = r#"{"username": "a", "password": "b"}"#;
    for (user, problem) in [
        (r#"{"password": "b"}"#.to_owned(), "[0]: missing field `username`".to_owned()),
        (r#"{"username": "", "password": "b"}"#.to_owned(), format!(r#"[0].username: "" {name}"#)),
        (r#"{"username": "a\u0007", "password": "b"}"#.to_owned(), format!(r#"[0].username: "a\u{{7}}" {name}"#)),
        (
            format!(r#"{good}, {{"username": "c", "password": "d"}}, {{"username": "\u00aa", "password": "d"}}"#),
            r#"[2].username: "a" is listed already, by sasl.users[0]"#.to_owned(),
        ),
        (
            r#"{"username": "a"}"#.to_owned(),
            "[0]: needs at least one of password, scram_sha_256 and scram_sha_512".to_owned(),
        ),
    ] {
        assert_eq!(refused(&users("PLAIN", &user)), format!("sasl.users{problem}"), "{user}");
    }
}

#[test]
fn scram_credentials_that_cannot_be() {
    for (right, wrong, problem) in [
        ("4096", "4095", "iterations: 4095 is not in 4096..=16384"),
        ("4096", "16385", "iterations: 16385 is not in 4096..=16384"),
        (SALT, "AAAAAAAAAA==", "salt: 7 bytes are not in 8..=128"),
        (SALT, "AAAAAAAAAAAAAAAAAAAAAA", "salt: is no Base64 (RFC 4648, padded)"),
        (SALT, "", "salt: is empty"),
        (SALT, &"AAAA".repeat(43), "salt: 129 bytes are not in 8..=128"),
        (KEY_256, KEY_512, "stored_key: has 64 bytes instead of 32"),
        (KEY_256, "not base64", "stored_key: is no Base64 (RFC 4648, padded)"),
    ] {
        let user = format!(r#"{{"username": "a", "scram_sha_256": {}}}"#, scram(KEY_256).replace(right, wrong));
        assert_eq!(refused(&users("PLAIN", &user)), format!("sasl.users[0].scram_sha_256.{problem}"));
    }
    let user = r#"{"username": "a", "scram_sha_512": {"salt": "x", "iterations": 1, "stored_key": "y"}}"#;
    assert_eq!(refused(&users("PLAIN", user)), "sasl.users[0].scram_sha_512: missing field `server_key`");
}

#[test]
fn oauthbearer_settings_that_cannot_be() {
    let http = |fields: &str| format!(r#""jwks": {{"http": {{"cluster": "c", "authority": "a", {fields}}}}}"#);
    let and = |field: &str| format!(r#""jwks": {{"inline": {{"keys": [{JWK}]}}}}, {field}"#);
    for (fields, problem) in [
        (String::new(), ": exactly one of jwks and public_key is needed"),
        (r#""jwks": {"inline": {}}, "public_key": "x""#.to_owned(), ": exactly one of jwks and public_key is needed"),
        (r#""jwks": {}"#.to_owned(), ".jwks: exactly one of inline and http is needed"),
        (r#""jwks": {"inline": {"keys": []}}"#.to_owned(), ".jwks.inline: the JWK Set holds no key for signatures"),
        (r#""jwks": {"inline": []}"#.to_owned(), ".jwks.inline: invalid type: sequence, expected an object"),
        (r#""public_key": "x""#.to_owned(), ".public_key: not a public key in PEM (BEGIN PUBLIC KEY)"),
        (http(r#""path": "keys""#), r#".jwks.http.path: "keys" does not start with /"#),
        (http(r#""path": "/", "refresh_s": 9"#), ".jwks.http.refresh_s: 9 is not in 10..=86400"),
        (http(r#""path": "/", "refresh_s": 86401"#), ".jwks.http.refresh_s: 86401 is not in 10..=86400"),
        (
            http(r#""path": "/", "refresh_s": 60, "max_age_s": 59"#),
            ".jwks.http.max_age_s: is less than refresh_s, which is 60",
        ),
        (http(r#""path": "/", "max_age_s": 604801"#), ".jwks.http.max_age_s: 604801 is not in 300..=604800"),
        (http(r#""refresh_s": 60"#), ".jwks.http: missing field `path`"),
        (http(r#""path": "/""#).replace(r#""c""#, r#""""#), ".jwks.http.cluster: is empty"),
        (http(r#""path": "/""#).replace(r#""a""#, r#""""#), ".jwks.http.authority: is empty"),
        (and(r#""issuer": """#), ".issuer: is empty"),
        (and(r#""audience": """#), ".audience: is empty"),
        (and(r#""principal_claim": """#), ".principal_claim: is empty"),
        (and(r#""clock_skew_s": 601"#), ".clock_skew_s: 601 is not in 0..=600"),
        (and(r#""required_scopes": ["a", "b c"]"#), ".required_scopes[1]: is empty or has a space in it"),
        (and(r#""required_scopes": "a""#), ".required_scopes: invalid type: string, expected a sequence"),
    ] {
        assert_eq!(refused(&oauthbearer(&fields)), format!("sasl.oauthbearer{problem}"), "{fields}");
    }
}

#[test]
fn principal_sections_that_cannot_be() {
    for (section, problem) in [
        (r#"{"mapping_rules": []}"#, "principal.mapping_rules: 0 rules are not in 1..=100"),
        (r#"{"mapping_rules": "DEFAULT"}"#, "principal.mapping_rules: invalid type: string, expected a sequence"),
        (
            r#"{"mapping_rules": ["DEFAULT", "RULE:(/b/"]}"#,
            r#"principal.mapping_rules[1]: "(" has a group that is not closed"#,
        ),
        (r#"{"source": "san"}"#, r#"principal.source: "san" is none of subject, san_uri, san_dns"#),
        (r#"{"rules": []}"#, "principal.rules: unknown field `rules`, expected `mapping_rules` or `source`"),
    ] {
        assert_eq!(refused(&format!(r#"{{"principal": {section}}}"#)), problem);
    }
}

#[test]
fn upstream_sections_that_cannot_be() {
    let per_principal = r#""per_principal": {"alice": {"username": "a", "password": "b"}}"#;
    for (fields, problem) in [
        (r#""username": "a""#.to_owned(), ": missing field `mechanism`"),
        (r#""mechanism": "PLAIN""#.to_owned(), ": username and password are needed, or per_principal, or both"),
        (
            r#""mechanism": "PLAIN", "per_principal": {}"#.to_owned(),
            ": username and password are needed, or per_principal, or both",
        ),
        (r#""mechanism": "PLAIN", "username": "a""#.to_owned(), ".password: is missing; username needs it"),
        (r#""mechanism": "PLAIN", "password": "a""#.to_owned(), ".username: is missing; password needs it"),
        (
            r#""mechanism": "OAUTHBEARER", "username": "a", "password": "b""#.to_owned(),
            r#".mechanism: "OAUTHBEARER" is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"#,
        ),
        (
            format!(r#""mechanism": "PLAIN", {per_principal}"#),
            ".per_principal: needs a sasl or principal section; without them no client has a principal",
        ),
        (
            r#""mechanism": "PLAIN", "per_principal": {"alice": {"username": "a"}}"#.to_owned(),
            ".per_principal.alice: missing field `password`",
        ),
    ] {
        assert_eq!(refused(&format!(r#"{{"upstream": {{"sasl": {{{fields}}}}}}}"#)), format!("upstream.sasl{problem}"));
    }
    accepted(&format!(r#"{{"principal": {{}}, "upstream": {{"sasl": {{"mechanism": "PLAIN", {per_principal}}}}}}}"#));
}
