//! The command line of `check`.

use std::io::Read;
use std::time::Duration;

use kafka_partition_remapper_core::brokers::address::Address;
use kafka_partition_remapper_core::limits::PASSWORD_BYTES_MAX;
use kafka_partition_remapper_core::sasl::client::BrokerAccount;
use kafka_partition_remapper_core::sasl::secret::Secret;
use kafka_partition_remapper_core::sasl::users::prepare;
use kafka_partition_remapper_core::sasl::Mechanism;

use crate::limits::{ANSWER_MS_DEFAULT, SAMPLE_BYTES_DEFAULT, SAMPLE_BYTES_MAX, SECRET_FILE_BYTES_MAX, TIMEOUT_S_MAX};
use crate::net::transport::TlsFiles;
use crate::Failure;

#[derive(Debug)]
pub(crate) struct Options {
    /// The configuration; `-` is standard input.
    pub(crate) file: String,
    /// Only filters with this stat_prefix.
    pub(crate) stat_prefix: Option<String>,
    /// Topics, and what V they might get.
    pub(crate) growth: Vec<(String, i32)>,
    /// What is only asked with a cluster.
    pub(crate) live: Option<Live>,
}

#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) bootstrap: Vec<Address>,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) login: Option<(Mechanism, BrokerAccount)>,
    pub(crate) answer_time: Duration,
    /// Bytes of batches to read of each physical partition; 0: none.
    pub(crate) sample_bytes: i32,
    pub(crate) probe: bool,
    pub(crate) probe_topic: Option<String>,
}

/// Options as they are written.
#[derive(Default)]
struct Written {
    names: Vec<String>,
    stat_prefix: Option<String>,
    bootstrap: Option<String>,
    growth: Vec<String>,
    wants_tls: bool,
    tls: TlsFiles,
    mechanism: Option<String>,
    username: Option<String>,
    password_file: Option<String>,
    password_variable: Option<String>,
    sample_bytes: Option<String>,
    timeout_s: Option<String>,
    probe: bool,
    probe_topic: Option<String>,
    /// The first option that has a meaning with a cluster only.
    needs_bootstrap: Option<String>,
}

pub(crate) fn parse(arguments: &[String]) -> Result<Options, Failure> {
    let written = written(arguments)?;
    let [file] = written.names.as_slice() else {
        return Err(usage("check needs one file, or - for standard input"));
    };
    let growth = written.growth.iter().map(|text| growth(text)).collect::<Result<_, _>>()?;
    let file = file.clone();
    let live = match (&written.bootstrap, &written.needs_bootstrap) {
        (Some(bootstrap), _) => Some(live(bootstrap, &written)?),
        (None, Some(option)) => return Err(usage(format!("{option} needs --bootstrap"))),
        (None, None) => None,
    };
    Ok(Options { file, stat_prefix: written.stat_prefix, growth, live })
}

fn usage(problem: impl Into<String>) -> Failure {
    Failure::Usage(problem.into())
}

/// Both `--option value` and `--option=value`.
fn written(arguments: &[String]) -> Result<Written, Failure> {
    let mut written = Written::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if !argument.starts_with("--") {
            written.names.push(argument.clone());
            continue;
        }
        let (option, joined) = argument.split_once('=').map_or((argument.as_str(), None), |(o, v)| (o, Some(v)));
        let flag = match option {
            "--tls" => Some(&mut written.wants_tls),
            "--probe" => Some(&mut written.probe),
            _ => None,
        };
        if let Some(flag) = flag {
            if joined.is_some() {
                return Err(usage(format!("{option} takes no value")));
            }
            *flag = true;
            written.needs_bootstrap.get_or_insert(option.to_owned());
            continue;
        }
        let value = joined.or_else(|| rest.next().map(String::as_str)).filter(|value| !value.is_empty());
        let value = value.map(str::to_owned);
        if option == "--grow-to" {
            written.growth.extend(value);
            continue;
        }
        let place = place(&mut written, option).ok_or_else(|| usage(format!("there is no option {option}")))?;
        if place.is_some() {
            return Err(usage(format!("{option} is given twice")));
        }
        *place = Some(value.ok_or_else(|| usage(format!("{option} needs a value")))?);
        if !["--bootstrap", "--stat-prefix"].contains(&option) {
            written.needs_bootstrap.get_or_insert(option.to_owned());
        }
    }
    Ok(written)
}

fn place<'a>(written: &'a mut Written, option: &str) -> Option<&'a mut Option<String>> {
    Some(match option {
        "--bootstrap" => &mut written.bootstrap,
        "--stat-prefix" => &mut written.stat_prefix,
        "--ca-file" => &mut written.tls.authorities,
        "--cert-file" => &mut written.tls.certificate,
        "--key-file" => &mut written.tls.key,
        "--server-name" => &mut written.tls.server_name,
        "--sasl-mechanism" => &mut written.mechanism,
        "--sasl-username" => &mut written.username,
        "--sasl-password-file" => &mut written.password_file,
        "--sasl-password-env" => &mut written.password_variable,
        "--sample-bytes" => &mut written.sample_bytes,
        "--timeout-s" => &mut written.timeout_s,
        "--probe-topic" => &mut written.probe_topic,
        _ => return None,
    })
}

fn growth(text: &str) -> Result<(String, i32), Failure> {
    let parts = text.rsplit_once('=');
    let parsed = parts.and_then(|(topic, number)| Some((topic.to_owned(), number.parse().ok()?)));
    parsed.filter(|(topic, _)| !topic.is_empty()).ok_or_else(|| usage("--grow-to is TOPIC=NUMBER"))
}

fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
    option: &str,
    text: Option<&String>,
    default: T,
    (least, most): (T, T),
) -> Result<T, Failure> {
    let Some(text) = text else { return Ok(default) };
    let number = text.parse().ok().filter(|number| (&least..=&most).contains(&number));
    number.ok_or_else(|| usage(format!("{option} is a number of {least} to {most}")))
}

fn live(bootstrap: &str, written: &Written) -> Result<Live, Failure> {
    let address =
        |text: &str| text.trim().parse().map_err(|error| usage(format!("--bootstrap: {:?} {error}", text.trim())));
    let files = &written.tls;
    let given = [&files.authorities, &files.certificate, &files.key, &files.server_name];
    let wants_tls = written.wants_tls || given.iter().any(|file| file.is_some());
    if written.probe_topic.is_some() && !written.probe {
        return Err(usage("--probe-topic needs --probe"));
    }
    let default_s = ANSWER_MS_DEFAULT / 1_000;
    let seconds = number("--timeout-s", written.timeout_s.as_ref(), default_s, (1, TIMEOUT_S_MAX))?;
    Ok(Live {
        bootstrap: bootstrap.split(',').map(address).collect::<Result<_, _>>()?,
        tls: wants_tls.then(|| TlsFiles {
            authorities: files.authorities.clone(),
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            server_name: files.server_name.clone(),
        }),
        login: login(written)?,
        answer_time: Duration::from_secs(seconds),
        sample_bytes: number(
            "--sample-bytes",
            written.sample_bytes.as_ref(),
            SAMPLE_BYTES_DEFAULT,
            (0, SAMPLE_BYTES_MAX),
        )?,
        probe: written.probe,
        probe_topic: written.probe_topic.clone(),
    })
}

fn login(written: &Written) -> Result<Option<(Mechanism, BrokerAccount)>, Failure> {
    let password = match (&written.password_file, &written.password_variable) {
        (Some(file), None) => Some(password_in(file)?),
        (None, Some(name)) => {
            let value = std::env::var(name).ok();
            Some(value.ok_or_else(|| Failure::Refused(format!("the environment variable {name} is not set")))?)
        }
        (None, None) => None,
        (Some(_), Some(_)) => return Err(usage("--sasl-password-file and --sasl-password-env exclude each other")),
    };
    let (mechanism, username, password) = match (&written.mechanism, &written.username, password) {
        (None, None, None) => return Ok(None),
        (mechanism, Some(username), Some(password)) => (mechanism, username, password),
        _ => return Err(usage("a login needs --sasl-username, and --sasl-password-file or --sasl-password-env")),
    };
    let known = [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512];
    let name = mechanism.as_deref().unwrap_or("PLAIN");
    let mechanism = known.into_iter().find(|mechanism| mechanism.name() == name);
    let mechanism = mechanism.ok_or_else(|| usage("--sasl-mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"))?;
    let prepared = prepare(username);
    let username =
        prepared.ok_or_else(|| Failure::Refused(format!("{username:?} is no name that SASLprep accepts")))?;
    if password.is_empty() || password.len() > PASSWORD_BYTES_MAX || password.contains('\0') {
        return Err(Failure::Refused("the password is empty, too long, or holds a NUL character".to_owned()));
    }
    Ok(Some((mechanism, BrokerAccount { username, password: Secret::new(password) })))
}

/// The first line of a file.
fn password_in(file: &str) -> Result<String, Failure> {
    let unread = |error: std::io::Error| Failure::Refused(format!("{file} cannot be read: {error}"));
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(unread)?;
    opened.take(SECRET_FILE_BYTES_MAX).read_to_string(&mut text).map_err(unread)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
