//! Request and response headers (protocol guide): the frames that the filter sends, and the way into those it gets.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use crate::error::Fault;
use crate::rope::Rope;

fn api_key(key: i16) -> Result<ApiKey, Fault> {
    ApiKey::try_from(key).map_err(|()| Fault::Exchange)
}

/// Takes the header off a request, given its key and version; gives the client id.
///
/// # Errors
/// [`Fault::RequestHeader`]
pub(crate) fn take_request_header(key: i16, version: i16, body: &mut Bytes) -> Result<Option<StrBytes>, Fault> {
    let header = RequestHeader::decode(body, api_key(key)?.request_header_version(version));
    Ok(header.map_err(|_| Fault::RequestHeader)?.client_id)
}

/// Takes the header off an answer to a request of that key and version. None when it is malformed.
///
/// # Errors
/// [`Fault::Exchange`] for a key that nobody can have sent.
pub(crate) fn take_response_header(key: i16, version: i16, body: &mut Bytes) -> Result<Option<()>, Fault> {
    let version = api_key(key)?.response_header_version(version);
    Ok(ResponseHeader::decode(body, version).ok().map(|_| ()))
}

/// A request as it goes up.
///
/// # Errors
/// [`Fault::Encode`]
pub(crate) fn request_frame(
    (key, version): (i16, i16),
    correlation_id: i32,
    client_id: Option<StrBytes>,
    body: Rope,
) -> Result<Rope, Fault> {
    let header = RequestHeader::default()
        .with_request_api_key(key)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(client_id);
    frame(&header, api_key(key)?.request_header_version(version), body)
}

/// An answer as it goes down, to a request of that key and version.
///
/// # Errors
/// [`Fault::Encode`]
pub(crate) fn answer_frame((key, version): (i16, i16), correlation_id: i32, body: Rope) -> Result<Rope, Fault> {
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    frame(&header, api_key(key)?.response_header_version(version), body)
}

/// A SASL token as it goes down without Kafka's headers (SaslHandshake v0).
///
/// # Errors
/// [`Fault::Encode`]
pub(crate) fn bare_frame(body: Rope) -> Result<Rope, Fault> {
    let mut out = Rope::new();
    out.put_i32(i32::try_from(body.len()).map_err(|_| Fault::Encode)?);
    out.append(body);
    Ok(out)
}

fn frame<H: Encodable>(header: &H, version: i16, body: Rope) -> Result<Rope, Fault> {
    let mut head = BytesMut::new();
    header.encode(&mut head, version).map_err(|_| Fault::Encode)?;
    let mut out = Rope::new();
    out.put_slice(&head);
    out.append(body);
    bare_frame(out)
}
