//! `kafka-remapper-check`: tells what the filter says to a configuration, and makes SCRAM credentials.
//!
//! This file is the command line itself: subcommands, help, and exit codes.

mod check;
mod schema;
mod scram;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

const HELP: &str = "\
Tells what the Kafka partition remapper says to a configuration, and makes SCRAM credentials.

Usage:
  kafka-remapper-check check CONFIG.json
  kafka-remapper-check scram [--mechanism MECHANISM] [--iterations N] USERNAME
  kafka-remapper-check --help

check   Reads the filter's configuration (JSON; - is standard input) as the filter does, and shows what it means:
        the mapping as a table (V virtual partitions on P physical ones, C on each), and who is who. ${NAME} in a
        secret is taken from the environment of this command. Secrets are never shown.

scram   Makes credentials for sasl.users from a password, with a random salt, and prints the user as JSON. The password
        is asked for on a terminal; without one it is the first line of standard input.
        --mechanism   SCRAM-SHA-256 or SCRAM-SHA-512; by default credentials for both
        --iterations  of PBKDF2, 4096 to 16384; by default 4096, as in Kafka

Exit codes: 0 all is well; 1 the configuration is refused, or something could not be read; 2 wrong usage.
";

/// Why the command ends without success.
pub(crate) enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// What it asks for cannot be had.
    Refused(String),
}

fn main() -> ExitCode {
    let result = arguments().and_then(|arguments| run(&arguments));
    let (output, problem, code) = match result {
        Ok(output) => (output, String::new(), ExitCode::SUCCESS),
        Err(Failure::Refused(problem)) => (String::new(), problem, ExitCode::FAILURE),
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

fn run(arguments: &[String]) -> Result<String, Failure> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        return Ok(HELP.to_owned());
    }
    match arguments.split_first() {
        Some((command, rest)) if command == "check" => check::run(rest),
        Some((command, rest)) if command == "scram" => scram::run(rest),
        Some((command, rest)) if command == "schema" => schema::run(rest),
        Some((command, _)) => Err(Failure::Usage(format!("there is no command {command:?}"))),
        None => Err(Failure::Usage("a command is needed".to_owned())),
    }
}
