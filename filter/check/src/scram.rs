//! `scram`: a user of `sasl.users` whose password is not in the configuration.

use std::io::{BufRead, IsTerminal, Read};

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use kafka_partition_remapper_core::limits::{
    PASSWORD_BYTES_MAX, SCRAM_ITERATIONS_MAX, SCRAM_ITERATIONS_MIN, SCRAM_SALT_BYTES,
};
use kafka_partition_remapper_core::sasl::scram::{Credentials, Hash};
use kafka_partition_remapper_core::sasl::secret::Secret;
use kafka_partition_remapper_core::sasl::users::prepare;
use serde::Serialize;

use crate::Failure;

/// What the arguments ask for.
struct Request {
    username: String,
    hashes: Vec<Hash>,
    iterations: u32,
}

/// One item of `sasl.users`.
#[derive(Serialize)]
struct User {
    username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scram_sha_256: Option<Section>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scram_sha_512: Option<Section>,
}

#[derive(Serialize)]
struct Section {
    salt: String,
    iterations: u32,
    stored_key: String,
    server_key: String,
}

pub(crate) fn run(arguments: &[String]) -> Result<String, Failure> {
    let request = parse(arguments)?;
    let password = password(&request.username)?;
    let section = |hash| {
        let wanted = request.hashes.contains(&hash);
        wanted.then(|| section(hash, &password, request.iterations)).transpose()
    };
    let (scram_sha_256, scram_sha_512) = (section(Hash::Sha256)?, section(Hash::Sha512)?);
    let user = User { username: request.username, scram_sha_256, scram_sha_512 };
    let json = serde_json::to_string_pretty(&user);
    json.map(|json| json + "\n").map_err(|error| Failure::Refused(error.to_string()))
}

fn parse(arguments: &[String]) -> Result<Request, Failure> {
    let mut request =
        Request { username: String::new(), hashes: vec![Hash::Sha256, Hash::Sha512], iterations: SCRAM_ITERATIONS_MIN };
    let mut names = vec![];
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        // Both --option value and --option=value.
        let (option, joined) = argument.split_once('=').map_or((argument.as_str(), None), |(o, v)| (o, Some(v)));
        let mut value = || joined.or_else(|| rest.next().map(String::as_str)).unwrap_or_default();
        match option {
            "--mechanism" => request.hashes = vec![hash(value())?],
            "--iterations" => request.iterations = iterations(value())?,
            _ if argument.starts_with("--") => return Err(Failure::Usage(format!("there is no option {option}"))),
            _ => names.push(argument),
        }
    }
    let [name] = names[..] else {
        return Err(Failure::Usage("scram needs one user name".to_owned()));
    };
    let prepared = prepare(name);
    request.username =
        prepared.ok_or_else(|| Failure::Refused(format!("{name:?} is no name that SASLprep accepts")))?;
    Ok(request)
}

fn hash(mechanism: &str) -> Result<Hash, Failure> {
    match mechanism {
        "SCRAM-SHA-256" => Ok(Hash::Sha256),
        "SCRAM-SHA-512" => Ok(Hash::Sha512),
        _ => Err(Failure::Usage("--mechanism is SCRAM-SHA-256 or SCRAM-SHA-512".to_owned())),
    }
}

fn iterations(text: &str) -> Result<u32, Failure> {
    let range = SCRAM_ITERATIONS_MIN..=SCRAM_ITERATIONS_MAX;
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        Failure::Usage(format!("--iterations is a number of {SCRAM_ITERATIONS_MIN} to {SCRAM_ITERATIONS_MAX}"))
    })
}

/// Twice from a terminal, where a slip cannot be seen; else the first line.
fn password(username: &str) -> Result<Secret, Failure> {
    let refused = |problem: &str| Failure::Refused(problem.to_owned());
    let unread = |error: std::io::Error| Failure::Refused(format!("the password cannot be read: {error}"));
    let password = if std::io::stdin().is_terminal() {
        let ask = |prompt: &str| rpassword::prompt_password(prompt).map(Secret::new).map_err(unread);
        let first = ask(&format!("Password of {username}: "))?;
        if ask("The same again: ")? != first {
            return Err(refused("the passwords differ"));
        }
        first
    } else {
        let mut line = String::new();
        // Bounded, with room for the end of the line: a file that is no password need not be read whole.
        let mut input = std::io::stdin().lock().take(PASSWORD_BYTES_MAX as u64 + 3);
        input.read_line(&mut line).map_err(unread)?;
        for end in ['\n', '\r'] {
            line.truncate(line.strip_suffix(end).map_or(line.len(), str::len));
        }
        Secret::new(line)
    };
    match password.expose() {
        "" => Err(refused("the password is empty")),
        text if text.len() > PASSWORD_BYTES_MAX => {
            Err(Failure::Refused(format!("the password is longer than {PASSWORD_BYTES_MAX} bytes")))
        }
        text if text.contains('\0') => Err(refused("the password holds a NUL character")),
        _ => Ok(password),
    }
}

fn section(hash: Hash, password: &Secret, iterations: u32) -> Result<Section, Failure> {
    let mut salt = [0; SCRAM_SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|error| Failure::Refused(format!("there are no random numbers: {error}")))?;
    let credentials = Credentials::derive(hash, password.expose(), &salt, iterations);
    Ok(Section {
        salt: STANDARD.encode(&credentials.salt),
        iterations: credentials.iterations,
        stored_key: STANDARD.encode(&credentials.stored_key),
        server_key: STANDARD.encode(&credentials.server_key),
    })
}
