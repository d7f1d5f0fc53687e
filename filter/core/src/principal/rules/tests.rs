//! The cases of Kafka's own test of `SslPrincipalMapper`, and what is said about rules that cannot be.

use super::*;

mod kafka;

fn rules(rules: &[&str]) -> Result<Rules, String> {
    Rules::parse(&rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>())
}

#[track_caller]
fn check(list: &[&str], cases: &[(&str, Option<&str>)]) {
    let rules = rules(list).unwrap();
    for (subject, principal) in cases {
        assert_eq!(rules.principal(subject).ok().as_deref(), *principal, "{list:?} {subject}");
    }
}

#[track_caller]
fn check_refused(rule: &str, problem: &str) {
    assert_eq!(rules(&["DEFAULT", rule]).unwrap_err(), format!("[1]: {problem}"), "{rule}");
}

#[test]
fn the_first_rule_that_matches_decides() {
    check(
        &[
            "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/L",
            "RULE:^CN=(.*?),OU=(.*?),O=(.*?),L=(.*?),ST=(.*?),C=(.*?)$/$1@$2/L",
            "RULE:^cn=(.*?),ou=(.*?),dc=(.*?),dc=(.*?)$/$1@$2/U",
            "RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/U",
            "DEFAULT",
        ],
        &[
            ("CN=Duke,OU=ServiceUsers,O=Org,C=US", Some("duke")),
            ("CN=Duke,OU=SME,O=mycp,L=Fulton,ST=MD,C=US", Some("duke@sme")),
            ("cn=duke,ou=sme,dc=mycp,dc=com", Some("DUKE@SME")),
            ("cN=duke,OU=JavaSoft,O=Sun Microsystems", Some("DUKE")),
            ("OU=JavaSoft,O=Sun Microsystems,C=US", Some("OU=JavaSoft,O=Sun Microsystems,C=US")),
        ],
    );
    check(
        &[r"RULE:^CN=((\\, *|\w)+)(,.*|$)/$1/", "DEFAULT"],
        &[(r"CN=Tkac\, Adam,OU=ITZ,DC=geodis,DC=cz", Some(r"Tkac\, Adam"))],
    );
}

#[test]
fn by_default_the_name_is_taken_as_it_is() {
    assert_eq!(Rules::default().principal("CN=a,O=b").as_deref(), Ok("CN=a,O=b"));
    check(&[" DEFAULT "], &[("CN=a", Some("CN=a")), ("", None)]);
}

#[test]
fn a_pattern_matches_whole_names_or_not_at_all() {
    check(&["RULE:CN=a/x/"], &[("CN=a", Some("x")), ("CN=a,O=b", None), ("O=b,CN=a", None)]);
    check(&["RULE:CN=a|CN=ab/x/"], &[("CN=ab", Some("xb"))]);
}

/// As `String.replaceAll` does: the whole name matches, and then the nothing at its end.
#[test]
fn every_match_is_replaced() {
    check(&["RULE:.*/x/"], &[("CN=a", Some("xx"))]);
    check(&["RULE:(a|é)*?/$0-/"], &[("éa", Some("-é-a-"))]);
    check(&["RULE:[a-z]*/<$0>/U"], &[("ab", Some("<AB><>"))]);
}

#[test]
fn replacements_are_javas() {
    let named = |replacement: &str| {
        let rule = format!("RULE:^CN=(?<cn>[^,]+),O=([^,]+)(,C=.+)?$/{replacement}/");
        rules(&[&rule]).unwrap().principal("CN=a,O=b").unwrap()
    };
    assert_eq!(named("$1.$2"), "a.b");
    assert_eq!(named("${cn}1"), "a1");
    assert_eq!(named("$10$02"), "a0b");
    assert_eq!(named("[$3]"), "[]");
    assert_eq!(named("$1@$4"), "a@$4");
    assert_eq!(named("$45"), "$45");
    assert_eq!(named(r"\$1\/\\$2"), r"$1/\b");
    assert_eq!(named("$0"), "CN=a,O=b");
}

#[test]
fn classes_are_ascii_and_escapes_are_kept() {
    check(&[r"RULE:CN=(\w+)/$1/"], &[("CN=ab_1", Some("ab_1")), ("CN=ä", None)]);
    check(&[r"RULE:CN=([\d.]+)/$1/"], &[("CN=1.2", Some("1.2")), ("CN=٣", None)]);
    check(&[r"RULE:CN=(\S\D\W)/$1/"], &[("CN=ab-", Some("ab-")), ("CN=abc", None)]);
    check(&[r"RULE:CN=\/\<\>\-\é[]a]{2}/x\/y/L"], &[("CN=/<>-é]a", Some("x/y"))]);
    check(&[r"RULE:(?i)cn=(?:a{1,2}?)(?-i:b)/x/"], &[("Cn=AAb", Some("x")), ("CN=AAB", None)]);
    check(&["RULE:CN=[a-z&&[^b]]/x/"], &[("CN=a", Some("x")), ("CN=b", None)]);
}

#[test]
fn names_that_are_empty_or_too_long_are_nobodys() {
    check(&["RULE:CN=.*//", "DEFAULT"], &[("CN=a", None), ("O=b", Some("O=b"))]);
    let long = "x".repeat(4_097);
    check(&["DEFAULT", "RULE:.*/x/"], &[(&long, None), (&long[1..], Some(&long[1..]))]);
    check(&["RULE:x*/$0$0/"], &[(&long[1..], None)]);
    // A letter that gets longer in capitals.
    check(&["RULE:.+/$0/U"], &[(&"ŉ".repeat(2_048), None)]);
}

/// Letters that got their other case after Java 17, and a sigma at the end of what only one of both takes for
/// a word.
#[test]
fn where_versions_disagree_there_is_no_name() {
    for (rule, name) in [("RULE:.+/$0/L", "\u{A7C0}"), ("RULE:.+/$0/U", "\u{19B}"), ("RULE:.+/$0/L", "ΑΣ.b")] {
        assert_eq!(rules(&[rule]).unwrap().principal(name), Err(Nameless::Unlike), "{rule} {name}");
        assert_eq!(rules(&["RULE:.+/$0/"]).unwrap().principal(name).as_deref(), Ok(name));
    }
    check(&["RULE:.+/$0/L"], &[("CN=ΑΣ,O=ΣΑΣΑ", Some("cn=ας,o=σασα"))]);
}

#[test]
fn rules_that_cannot_be() {
    let form = "is neither DEFAULT nor RULE:pattern/replacement/, with L or U behind it or nothing (a / in a pattern is written \\/)";
    for rule in ["default", "DEFAULT/L", "RULE:CN=(.*?),OU=x.*/$1", "rule:^CN=(.*?)$/$1/", r"RULE:a/b\/", "", "RULE:"] {
        check_refused(rule, &format!("{rule:?} {form}"));
    }
    for rule in ["RULE:^CN=(.*?)$/$1/L/U", "RULE:a/b/LU", "RULE:a/b/l", "RULE:a/b/, DEFAULT"] {
        check_refused(rule, &format!("{rule:?} {form}; each rule is an item of its own"));
    }
    for (rule, problem) in [
        ("RULE:a(/b/", r#""a(" has a group that is not closed"#),
        ("RULE:a)(b/c/", r#""a)(b" closes a group that is not open"#),
        ("RULE:a[/b/", r#""a[" has a class that is not closed"#),
        ("RULE:*a/b/", r#""*a" has a * that repeats nothing"#),
        ("RULE:{a}/b/", r#""{a}" has a { that repeats nothing"#),
        ("RULE:a{,2}/b/", r#""a{,2}" has a { that starts no repetition; \{ is a brace"#),
        ("RULE:(?<1>a)/b/", r#""(?<1>a)" has a group whose name is none: letters and digits of ASCII are"#),
        (r"RULE:\y/b/", r#""\\y" has \y, which is no escape"#),
        ("RULE:[b-a]/b/", r#""[b-a]" has a range from 'b' down to 'a'"#),
        (r"RULE:(a)\1/b/", r#""(a)\\1" has a reference to a group, which is not supported"#),
        ("RULE:CN=(?!root).*/b/", r#""CN=(?!root).*" has a look-ahead or (?>…), which is not supported"#),
        ("RULE:(?<=a)b/b/", r#""(?<=a)b" has a look-behind (?<=…) or (?<!…), which is not supported"#),
        ("RULE:(?>a)/b/", r#""(?>a)" has a look-ahead or (?>…), which is not supported"#),
        ("RULE:a*+b/c/", r#""a*+b" has a possessive or doubled quantifier, which is not supported"#),
        ("RULE:a{2}+/c/", r#""a{2}+" has a possessive or doubled quantifier, which is not supported"#),
        (
            "RULE:(a*)+/c/",
            r#""(a*)+" has a * or + or {…} behind what may match nothing, as in (a*)+, which is not supported"#,
        ),
        ("RULE:(?U)a/c/", r#""(?U)a" has the flag U, which is not supported: i, s and d are"#),
        (
            r"RULE:\p{L}/c/",
            r#""\\p{L}" has \p{L}, which is not supported: \p{Alpha} and the other classes of ASCII are, and lists as in [a-zäöü]"#,
        ),
        ("RULE:[a&&b]/c/", r#""[a&&b]" has && in a class in another form than [a-z&&[^b]], which is not supported"#),
        ("RULE:a/$1/", r#""$1" names group 1, and the pattern has 0"#),
        ("RULE:(a)/$2$3/", r#""$2$3" names group 3, and the pattern has 1"#),
        (r"RULE:(a)/\$2/", r#""\\$2" names group 2, and the pattern has 1"#),
        ("RULE:(a)/${x}/", r#""${x}" names "x", and the pattern has no such group"#),
        ("RULE:(a)/$x/", r#""$x" has a $ without a number or {name} behind it; \$ is a dollar sign"#),
        (r"RULE:((\w{100}){100}){100}/c/", r#""((\\w{100}){100}){100}" takes more than 1048576 bytes compiled"#),
    ] {
        check_refused(rule, problem);
    }
    let deep = format!("{}{}", "(".repeat(51), ")".repeat(51));
    check_refused(&format!("RULE:{deep}/x/"), &format!("{deep:?} nests more than 50 groups or classes"));
    check_refused(&"x".repeat(1_025), "1025 bytes are more than 1024");
    assert_eq!(rules(&[]).unwrap_err(), ": 0 rules are not in 1..=100");
    assert_eq!(rules(&["DEFAULT"; 101]).unwrap_err(), ": 101 rules are not in 1..=100");
}
