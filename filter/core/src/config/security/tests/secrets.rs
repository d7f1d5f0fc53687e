//! No error and no Debug output shows a secret.

use super::*;

const SECRET: &str = "hunter2";

/// Configurations with one secret field each: `@` stands for its value.
fn fields() -> Vec<(String, String)> {
    let scram = |field: &str| {
        let whole = scram(KEY_256);
        let value = if field == "salt" { SALT } else { KEY_256 };
        let section = whole.replace(&format!(r#""{field}": "{value}""#), &format!(r#""{field}": @"#));
        let user = format!(r#"{{"username": "a", "scram_sha_256": {section}}}"#);
        (format!("sasl.users[0].scram_sha_256.{field}"), users("PLAIN", &user))
    };
    let upstream =
        |fields: &str| format!(r#"{{"principal": {{}}, "upstream": {{"sasl": {{"mechanism": "PLAIN", {fields}}}}}}}"#);
    vec![
        ("sasl.users[0].password".to_owned(), users("PLAIN", r#"{"username": "a", "password": @}"#)),
        (
            "sasl.salt_secret".to_owned(),
            users("PLAIN", r#"{"username": "a", "password": "b"}"#).replacen(
                "{\"mech",
                "{\"salt_secret\": @, \"mech",
                1,
            ),
        ),
        scram("salt"),
        scram("stored_key"),
        scram("server_key"),
        ("sasl.oauthbearer.public_key".to_owned(), oauthbearer(r#""public_key": @"#)),
        ("upstream.sasl.password".to_owned(), upstream(r#""username": "a", "password": @"#)),
        (
            "upstream.sasl.per_principal.p.password".to_owned(),
            upstream(r#""per_principal": {"p": {"username": "a", "password": @}}"#),
        ),
    ]
}

#[track_caller]
fn check(template: &str, value: &str, problem: &str) {
    assert!(template.contains('@'), "{template}");
    assert_eq!(refused(&template.replace('@', value)), problem, "{template} {value}");
}

#[test]
fn a_value_of_the_wrong_type_is_not_shown() {
    for (path, template) in fields() {
        for (value, kind) in [
            ("7318492", "number"),
            ("-7318492", "number"),
            ("7.318492", "number"),
            ("true", "boolean"),
            ("null", "null"),
            (r#"["hunter2"]"#, "sequence"),
            (r#"{"hunter2": "hunter2"}"#, "map"),
        ] {
            check(&template, value, &format!("{path}: invalid type: {kind}, expected a string"));
        }
    }
}

#[test]
fn a_secret_in_the_place_of_something_else_is_not_shown() {
    for (template, problem) in [
        ("@", "invalid type: string, expected an object"),
        (r#"{"sasl": @}"#, "sasl: invalid type: string, expected an object"),
        (r#"{"sasl": {"mechanisms": @}}"#, "sasl.mechanisms: invalid type: string, expected a sequence"),
        (r#"{"sasl": {"users": @}}"#, "sasl.users: invalid type: string, expected a sequence"),
        (r#"{"sasl": {"users": [@]}}"#, "sasl.users[0]: invalid type: string, expected an object"),
        (
            r#"{"sasl": {"users": [{"username": "a", "scram_sha_512": @}]}}"#,
            "sasl.users[0].scram_sha_512: invalid type: string, expected an object",
        ),
        (
            r#"{"sasl": {"max_session_s": @}}"#,
            "sasl.max_session_s: invalid type: string, expected a whole number below 2^63",
        ),
        (r#"{"sasl": {"oauthbearer": @}}"#, "sasl.oauthbearer: invalid type: string, expected an object"),
        (
            r#"{"sasl": {"oauthbearer": {"jwks": @}}}"#,
            "sasl.oauthbearer.jwks: invalid type: string, expected an object",
        ),
        (
            r#"{"sasl": {"mechanisms": ["OAUTHBEARER"], "oauthbearer": {"jwks": {"inline": {"keys": @}}}}}"#,
            "sasl.oauthbearer.jwks.inline: not a JWK Set (line 1, column 17)",
        ),
        (r#"{"principal": @}"#, "principal: invalid type: string, expected an object"),
        (r#"{"upstream": @}"#, "upstream: invalid type: string, expected an object"),
        (r#"{"upstream": {"sasl": @}}"#, "upstream.sasl: invalid type: string, expected an object"),
        (
            r#"{"upstream": {"sasl": {"per_principal": {"p": @}}}}"#,
            "upstream.sasl.per_principal.p: invalid type: string, expected an object",
        ),
    ] {
        check(template, &format!("{SECRET:?}"), problem);
    }
    check(r#"{"sasl": @}"#, "7318492", "sasl: invalid type: integer, expected an object");
    check(r#"{"sasl": @}"#, "7.318492", "sasl: invalid type: floating point, expected an object");
    check(r#"{"sasl": @}"#, r#""x, expected hunter2""#, "sasl: invalid type: string, expected an object");
}

#[test]
fn a_slip_in_a_name_shows_the_name_only() {
    let user = "expected one of `username`, `password`, `scram_sha_256`, `scram_sha_512`";
    let sasl = r#"{"sasl": {"mechanisms": ["PLAIN"], "users": [{"username": "a", "pasword": @}]}}"#;
    check(sasl, r#""hunter2""#, &format!("sasl.users[0].pasword: unknown field `pasword`, {user}"));
    let upstream = r#"{"upstream": {"sasl": {"mechanism": "PLAIN", "username": "a", "pass": @}}}"#;
    let known = "expected one of `mechanism`, `username`, `password`, `per_principal`, `per_principal_only`";
    check(upstream, r#""hunter2""#, &format!("upstream.sasl.pass: unknown field `pass`, {known}"));
    let twice = r#"{"sasl": {"users": [{"username": "a", "password": "hunter2", "password": @}]}}"#;
    check(twice, r#""hunter2""#, "sasl.users[0]: duplicate field `password`");
}

#[test]
fn broken_json_is_not_shown() {
    for (_, template) in fields() {
        for (value, problem) in [
            ("hunter2", "expected value"),
            ("\"hunter2", "expected `,` or `}`"),
            ("\"hunter2\\x\"", "invalid escape"),
            ("\"hunter2\n\"", "control character (\\u0000-\\u001F) found while parsing a string"),
            ("\"hunter2\" \"hunter2\"", "expected `,` or `}`"),
            ("731849.x", "invalid number"),
            ("7e999999", "number out of range"),
        ] {
            let error = refused(&template.replace('@', value));
            let position = error.strip_prefix("not valid JSON: ").and_then(|rest| rest.split_once(" at line "));
            let (text, _) = position.unwrap_or_else(|| panic!("{error}"));
            assert!(text == problem || value == "\"hunter2" && !text.contains(SECRET), "{value}: {error}");
            assert!(!error.contains(SECRET) && !error.contains("73184"), "{error}");
        }
    }
}

#[test]
fn secrets_come_from_the_environment_or_not_at_all() {
    let unset = "is not set; Envoy passes on only those that host_env_keys of its vm_config lists";
    let form = "has a ${ that is not ${NAME}; a secret with ${ in it can only come from the environment";
    for (path, template) in fields() {
        for (value, problem) in [
            ("${NOBODY}", format!("the environment variable NOBODY {unset}")),
            ("hunter2${ALICE}${NOBODY}", format!("the environment variable NOBODY {unset}")),
            ("${EMPTY}", "is empty".to_owned()),
            ("", "is empty".to_owned()),
            ("hunter2${ALICE", form.to_owned()),
            ("hunter2${}", form.to_owned()),
            ("${hunter2 }", form.to_owned()),
            ("${2hunter2}", form.to_owned()),
            ("${ENDLESS}", "is longer than 16384 bytes".to_owned()),
        ] {
            check(&template, &format!("{value:?}"), &format!("{path}: {problem}"));
        }
        if path.ends_with("password") {
            check(&template, r#""${LONG}""#, &format!("{path}: is longer than 4096 bytes"));
            check(&template, r#""hunter2\u0000""#, &format!("{path}: holds a NUL character, which no password may"));
        } else {
            assert!(!refused(&template.replace('@', r#""hunter2""#)).contains(SECRET));
        }
    }
    let password = |text: &str| {
        let config = accepted(&users("PLAIN", &format!(r#"{{"username": "a", "password": "{text}"}}"#)));
        config.sasl.unwrap().users[0].password.as_ref().unwrap().expose().to_owned()
    };
    assert_eq!(password("a${ALICE}b${EMPTY}${_2}$c$$"), "ain wonderlandb${ALICE}$c$$");
}

#[test]
fn debug_output_shows_no_secret() {
    let [key_256, key_512] = [KEY_256, KEY_512].map(scram);
    let config = accepted(&format!(
        r#"{{
            "sasl": {{"mechanisms": ["PLAIN"], "users": [
                {{"username": "alice", "password": "hunter2", "scram_sha_256": {key_256}, "scram_sha_512": {key_512}}}
            ]}},
            "upstream": {{"sasl": {{"mechanism": "PLAIN", "username": "gateway", "password": "hunter2",
                "per_principal": {{"alice": {{"username": "bob", "password": "hunter2"}}}}}}}}
        }}"#
    ));
    for shown in [format!("{config:?}"), format!("{config:#?}")] {
        assert!(shown.contains("alice") && shown.contains("gateway") && shown.contains("bob"), "{shown}");
        assert!(!shown.contains(SECRET) && !shown.contains("0, 0") && !shown.contains("AAAA"), "{shown}");
    }
}
