//! `kafka-remapper-check`: tells what the filter says to a configuration, compares it with a live cluster,
//! and makes SCRAM credentials.
//!
//! This file is the command line itself: subcommands, help, and exit codes.
#![cfg_attr(test, allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod check;
mod envoy;
mod limits;
mod live;
mod net;
mod options;
mod progress;
mod report;
mod schema;
mod scram;
mod yaml;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

const HELP: &str = "\
Tells what the Kafka partition remapper says to a configuration, compares it with a live cluster, and makes SCRAM
credentials.

Usage:
  kafka-remapper-check check FILE [--grow-to TOPIC=V]... [--bootstrap HOST:PORT,... [OPTION]...]
  kafka-remapper-check scram [--mechanism MECHANISM] [--iterations N] USERNAME
  kafka-remapper-check schema
  kafka-remapper-check --help

check   Reads the filter's configuration as the filter does, and shows what it means: the mapping as a table (V virtual
        partitions on P physical ones, C on each), and who is who. FILE (- is standard input) is that configuration
        alone, as JSON, or YAML of Envoy with such filters in it: a bootstrap, or listeners or filters. Then all of the
        filters are looked at, and what is around each: ports, TLS, filters before and behind, host_env_keys. ${NAME}
        in a secret is taken from the environment of this command. Secrets are never shown.
        --grow-to TOPIC=V   says what another number of virtual partitions would do to the topic
        --stat-prefix NAME  looks at filters with this stat_prefix only, where a file has others as well
        --bootstrap ADDRESSES   shows instead what the mapping means for the cluster at these brokers, problems first.
                            Brokers' own addresses, not Envoy's. Nothing is written, unless --probe is given
        --tls               speaks TLS. So do the next four
        --ca-file FILE      authorities (PEM) to trust; by default SSL_CERT_FILE's, or the system's
        --cert-file FILE, --key-file FILE   a client certificate and its key (PEM)
        --server-name NAME  what brokers' certificates are for, where it is not the name that they are reached by
        --sasl-username NAME, and --sasl-password-file FILE or --sasl-password-env VARIABLE   the login; by default
                            the one of the configuration's upstream.sasl, if it has one
        --sasl-mechanism M  PLAIN (by default), SCRAM-SHA-256 or SCRAM-SHA-512
        --sample-bytes N    of batches that are read of each physical partition, to see how lanes are filled; 65536 by
                            default, 0 for none
        --timeout-s N       seconds that a broker may take for an answer; by default 30
        --probe             writes tagged batches into a topic of its own, which is deleted again, and looks whether
                            they come back as they were: for brokers that are not Apache Kafka
        --probe-topic NAME  with --probe: writes into partition 0 of this topic instead, where the batches then stay.
                            A topic that the configuration maps is refused

scram   Makes credentials for sasl.users from a password, with a random salt, and prints the user as JSON. The password
        is asked for on a terminal; without one it is the first line of standard input.
        --mechanism   SCRAM-SHA-256 or SCRAM-SHA-512; by default credentials for both
        --iterations  of PBKDF2, 4096 to 16384; by default 4096, as in Kafka

schema  Prints the JSON Schema of the configuration, for editors.

Exit codes: 0 all is well; 1 FILE, or a file or variable that an option names, cannot be read or is refused, or
problems were found; 2 wrong usage, or nothing worse than what could not be told: a cluster that cannot be reached, a
missing right.
";

/// What the command prints, and the code that it ends with.
pub(crate) struct Output {
    pub(crate) text: String,
    pub(crate) code: u8,
}

impl From<String> for Output {
    fn from(text: String) -> Self {
        Self { text, code: 0 }
    }
}

/// Why the command ends without success.
pub(crate) enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// What it asks for cannot be had.
    Refused(String),
    /// The cluster does not tell.
    Unknown(String),
}

fn main() -> ExitCode {
    let result = arguments().and_then(|arguments| run(&arguments));
    let (output, problem, code) = match result {
        Ok(output) => (output.text, String::new(), ExitCode::from(output.code)),
        Err(Failure::Refused(problem)) => (String::new(), problem, ExitCode::FAILURE),
        Err(Failure::Unknown(problem)) => (String::new(), problem, ExitCode::from(2)),
        Err(Failure::Usage(problem)) => {
            (String::new(), format!("{problem}; see kafka-remapper-check --help"), ExitCode::from(2))
        }
    };
    if !problem.is_empty() {
        // Nothing is left to tell it to if this fails.
        let _ = writeln!(std::io::stderr(), "{problem}");
    }
    match std::io::stdout().write_all(output.as_bytes()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

fn arguments() -> Result<Vec<String>, Failure> {
    let text =
        |argument: OsString| argument.into_string().map_err(|_| Failure::Usage("an argument is not UTF-8".into()));
    std::env::args_os().skip(1).map(text).collect()
}

fn run(arguments: &[String]) -> Result<Output, Failure> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        return Ok(HELP.to_owned().into());
    }
    match arguments.split_first() {
        Some((command, rest)) if command == "check" => check::run(rest),
        Some((command, rest)) if command == "scram" => scram::run(rest).map(Output::from),
        Some((command, rest)) if command == "schema" => schema::run(rest).map(Output::from),
        Some((command, _)) => Err(Failure::Usage(format!("there is no command {command:?}"))),
        None => Err(Failure::Usage("a command is needed".to_owned())),
    }
}
