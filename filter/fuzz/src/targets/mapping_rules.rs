//! Mapping rules of a configuration over the subject of a stranger.

use kafka_partition_remapper_core::fuzzing::subject_as_java as as_java;
use kafka_partition_remapper_core::limits::PRINCIPAL_BYTES_MAX;
use kafka_partition_remapper_core::principal::Rules;

use crate::bounds::measured;
use crate::input::Input;

/// Lists of rules: those of Kafka's documentation, and what makes a backtracking engine slow.
pub const RULES: [&[&str]; 9] = [
    &["DEFAULT"],
    &[
        "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/",
        "RULE:^CN=(.*?),OU=(.*?),O=(.*?),L=(.*?),ST=(.*?),C=(.*?)$/$1@$2/L",
        "DEFAULT",
    ],
    &["RULE:^cn=(.*?),ou=(.*?),dc=(.*?),dc=(.*?)$/$1@$2/U", "RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/L"],
    &["RULE:.*/$0/"],
    &["RULE:.*/$0$0$0$0$0$0$0$0/U"],
    &["RULE:((\\w+[,=]?)+ ?)*/<$1>/"],
    &["RULE:(.*)(.*)(.*)(.*)(.*)=(.*)x/$1$2$3$4$5$6/", "RULE:([^x]|x)*?/$1/"],
    &["RULE:.*a.{400}/$0/"],
    &["RULE:(a{1,16}b?){1,16}.*/$1/", "RULE:(\\S+\\s*)+$/-/L", "DEFAULT"],
];

/// The rules of [`RULES`], read.
pub fn rules(index: usize) -> Rules {
    Rules::parse(&RULES[index].iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>()).expect("good rules")
}

pub fn mapping_rules(data: &[u8]) {
    thread_local!(static PARSED: Vec<Rules> = (0..RULES.len()).map(rules).collect());
    let mut input = Input::new(data);
    let index = input.below(RULES.len());
    let subject = String::from_utf8_lossy(input.rest()).into_owned();
    PARSED.with(|parsed| {
        for subject in [as_java(&subject), subject] {
            // The engine of regexes has memory of its own: some automata of 2 MiB at the most.
            let (principal, most, _) = measured(|| parsed[index].principal(&subject).into_iter().next());
            assert!(most <= 64 * subject.len() + (16 << 20), "{most} bytes for {}", subject.len());
            assert_eq!(principal, parsed[index].principal(&subject).into_iter().next());
            // It stands in access logs, so nothing may end a line in them: Java takes two more for line ends.
            let ends_lines = |name: &str| name.contains(|c: char| c.is_control() || "\u{2028}\u{2029}".contains(c));
            let is_good = |name: &str| (1..=PRINCIPAL_BYTES_MAX).contains(&name.len()) && !ends_lines(name);
            assert!(principal.as_ref().is_none_or(|name| is_good(name)));
            if index == 0 {
                assert_eq!(principal, Some(subject).filter(|name| is_good(name)));
            }
        }
    });
}
