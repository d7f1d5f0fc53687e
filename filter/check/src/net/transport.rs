//! TCP, and TLS over it.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_partition_remapper_core::brokers::address::Address;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::Trouble;
use crate::limits::CONNECT_MS;

/// Where authorities stand that a system trusts, by the usual names.
const SYSTEM_AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// How to speak TLS.
#[derive(Clone)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    /// The name that every broker's certificate must have, where it is not that of its address.
    server_name: Option<String>,
}

/// Files and names as the command line has them.
#[derive(Debug, Default)]
pub(crate) struct TlsFiles {
    pub(crate) authorities: Option<String>,
    pub(crate) certificate: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) server_name: Option<String>,
}

impl Tls {
    pub(crate) fn new(files: &TlsFiles) -> Result<Self, String> {
        let config = ClientConfig::builder().with_root_certificates(authorities(files.authorities.as_deref())?);
        let config = match (&files.certificate, &files.key) {
            (None, None) => config.with_no_client_auth(),
            (Some(certificate), key) => {
                let chain = certificates(certificate)?;
                let key = key.as_ref().unwrap_or(certificate);
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{key} has no key: {error}"))?;
                config.with_client_auth_cert(chain, key).map_err(|error| format!("{certificate}: {error}"))?
            }
            (None, Some(_)) => return Err("--key-file needs --cert-file".to_owned()),
        };
        Ok(Self { config: Arc::new(config), server_name: files.server_name.clone() })
    }
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| format!("{file} cannot be read: {error}"))?;
    if certificates.is_empty() {
        return Err(format!("{file} holds no certificate"));
    }
    Ok(certificates)
}

fn authorities(file: Option<&str>) -> Result<RootCertStore, String> {
    let by_environment = std::env::var("SSL_CERT_FILE").ok();
    let known = SYSTEM_AUTHORITIES.into_iter().find(|path| std::path::Path::new(path).exists());
    let file = file.or(by_environment.as_deref()).or(known);
    let file = file.ok_or("this system's authorities are not where they usually are: name a --ca-file")?;
    let mut roots = RootCertStore::empty();
    match roots.add_parsable_certificates(certificates(file)?) {
        (0, _) => Err(format!("{file} holds no authority that can be used")),
        _ => Ok(roots),
    }
}

/// An open connection.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Tries each address of the name in turn.
    pub(crate) fn open(host: &str, port: u16, tls: Option<&Tls>) -> Result<Self, Trouble> {
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let lost = |error: &dyn std::fmt::Display| {
            let address = Address { host: name.to_owned(), port };
            Trouble::lost(format!("{address} cannot be reached: {error}"))
        };
        // This machine's by themselves (RFC 6761, section 6.3), which not every resolver knows.
        let name = if name.ends_with(".localhost") { "localhost" } else { name };
        let addresses = (name, port).to_socket_addrs().map_err(|error| lost(&error))?;
        let mut last = lost(&"the name has no address");
        for address in addresses {
            match TcpStream::connect_timeout(&address, Duration::from_millis(CONNECT_MS)) {
                Ok(stream) => return Self::over(stream, host, tls).map_err(|error| lost(&error)),
                Err(error) => last = lost(&error),
            }
        }
        Err(last)
    }

    fn over(stream: TcpStream, host: &str, tls: Option<&Tls>) -> Result<Self, String> {
        let limit = Some(Duration::from_millis(CONNECT_MS));
        stream.set_read_timeout(limit).and_then(|()| stream.set_write_timeout(limit)).map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let Some(tls) = tls else { return Ok(Self::Plain(stream)) };
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let name = tls.server_name.as_deref().unwrap_or(address).to_owned();
        let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
        let session = ClientConnection::new(tls.config.clone(), name).map_err(|error| error.to_string())?;
        let mut stream = StreamOwned::new(session, stream);
        let end = Instant::now() + Duration::from_millis(CONNECT_MS);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|error| format!("TLS: {error}"))?;
            if Instant::now() > end {
                return Err("TLS: the handshake takes too long".to_owned());
            }
        }
        Ok(Self::Tls(Box::new(stream)))
    }

    /// Sets how long the next read may take.
    pub(crate) fn wait_for(&self, time: Duration) -> io::Result<()> {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        };
        // Zero would mean for ever.
        socket.set_read_timeout(Some(time.max(Duration::from_millis(1))))
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(bytes),
            Self::Tls(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
