//! Request and response headers (protocol guide): the frames that the filter sends, and the way into those it
//! gets.

use bytes::Bytes;
use kafka_protocol::messages::ApiKey;

use crate::error::{ClientFault, Fault};
use crate::wire::rope::Rope;
use crate::wire::types::Reader;

/// The start of a request frame, behind its length field (protocol guide: request header v0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestHead {
    pub(crate) key: i16,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
}

impl RequestHead {
    /// With what of `frame` is there behind the head. None when `frame` is too short.
    pub(crate) fn parse(frame: &[u8]) -> Option<(Self, &[u8])> {
        let (key, rest) = frame.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (correlation_id, rest) = rest.split_first_chunk()?;
        let head = Self {
            key: i16::from_be_bytes(*key),
            version: i16::from_be_bytes(*version),
            correlation_id: i32::from_be_bytes(*correlation_id),
        };
        Some((head, rest))
    }
}

/// The first request header with tagged fields (KIP-482).
const TAGGED_REQUEST_HEADER: i16 = 2;
/// The first response header with tagged fields.
const TAGGED_RESPONSE_HEADER: i16 = 1;

fn api_key(key: i16) -> Result<ApiKey, Fault> {
    ApiKey::try_from(key).map_err(|()| Fault::bug("a header of an API that the codec does not know"))
}

/// Takes the header off a request, given its key and version; gives the client id as it came: brokers take
/// any bytes. The client id is a copy, so that remembering it keeps no frame in memory.
///
/// # Errors
/// [`ClientFault::RequestHeader`]
pub(crate) fn take_request_header(key: i16, version: i16, body: &mut Bytes) -> Result<Option<Bytes>, Fault> {
    let is_tagged = api_key(key)?.request_header_version(version) >= TAGGED_REQUEST_HEADER;
    let mut reader = Reader::new(body);
    let client_id = take_request_fields(&mut reader, is_tagged).ok_or(Fault::Client(ClientFault::RequestHeader))?;
    let client_id = client_id.map(Bytes::copy_from_slice);
    *body = body.slice(body.len() - reader.left()..);
    Ok(client_id)
}

fn take_request_fields<'a>(reader: &mut Reader<'a>, is_tagged: bool) -> Option<Option<&'a [u8]>> {
    reader.i16()?;
    reader.i16()?;
    reader.i32()?;
    let client_id = reader.nullable_string(false)?;
    reader.skip_tags(is_tagged)?;
    Some(client_id)
}

/// Takes the header off an answer to a request of that key and version. None when it is malformed.
///
/// # Errors
/// [`Fault::Bug`] for a key that nobody can have sent.
pub(crate) fn take_response_header(key: i16, version: i16, body: &mut Bytes) -> Result<Option<()>, Fault> {
    let is_tagged = api_key(key)?.response_header_version(version) >= TAGGED_RESPONSE_HEADER;
    let mut reader = Reader::new(body);
    let read = reader.i32().and_then(|_| reader.skip_tags(is_tagged));
    *body = body.slice(body.len() - reader.left()..);
    Ok(read)
}

/// A request as it goes up.
///
/// # Errors
/// [`Fault::Bug`]
pub(crate) fn request_frame(
    (key, version): (i16, i16),
    correlation_id: i32,
    client_id: Option<&[u8]>,
    body: Rope,
) -> Result<Rope, Fault> {
    let mut out = Rope::new();
    out.put_i16(key);
    out.put_i16(version);
    out.put_i32(correlation_id);
    out.put_nullable_bytes_as_string(client_id);
    out.put_no_tags(api_key(key)?.request_header_version(version) >= TAGGED_REQUEST_HEADER);
    out.append(body);
    bare_frame(out)
}

/// An answer as it goes down, to a request of that key and version.
///
/// # Errors
/// [`Fault::Bug`]
pub(crate) fn answer_frame((key, version): (i16, i16), correlation_id: i32, body: Rope) -> Result<Rope, Fault> {
    let mut out = Rope::new();
    out.put_i32(correlation_id);
    out.put_no_tags(api_key(key)?.response_header_version(version) >= TAGGED_RESPONSE_HEADER);
    out.append(body);
    bare_frame(out)
}

/// A SASL token as it goes down without Kafka's headers (SaslHandshake v0).
///
/// # Errors
/// [`Fault::Bug`]
pub(crate) fn bare_frame(body: Rope) -> Result<Rope, Fault> {
    let mut out = Rope::new();
    out.put_i32(i32::try_from(body.len()).map_err(|_| Fault::bug("a frame is longer than its length field can say"))?);
    out.append(body);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use kafka_protocol::messages::{RequestHeader, ResponseHeader};
    use kafka_protocol::protocol::{Encodable, StrBytes};

    /// The tagged fields that a header may have, where it has any: none, and one that nobody knows.
    const TAGS: [&[u8]; 2] = [&[0], &[1, 9, 3, 7, 7, 7]];
    const NOT_TAGGED: [&[u8]; 1] = [&[]];

    fn encoded<M: Encodable>(message: &M, version: i16) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        message.encode(&mut bytes, version).unwrap();
        bytes.to_vec()
    }

    /// Heartbeat 3 has no tags in its headers, Heartbeat 4 has.
    #[test]
    fn request_headers_are_as_the_codec_has_them() {
        for (version, header_version) in [(3, 1), (4, 2)] {
            for id in [None, Some(""), Some("a client"), Some("\u{e9}")] {
                let header = RequestHeader::default()
                    .with_request_api_key(12)
                    .with_request_api_version(version)
                    .with_correlation_id(-7)
                    .with_client_id(id.map(|id| StrBytes::from_string(id.to_owned())));
                let bytes = encoded(&header, header_version);
                let frame = request_frame((12, version), -7, id.map(str::as_bytes), Rope::new()).unwrap();
                assert_eq!(frame.into_bytes()[4..], bytes);
                let untagged = if version == 4 { &bytes[..bytes.len() - 1] } else { &bytes };
                for tags in if version == 4 { &TAGS[..] } else { &NOT_TAGGED } {
                    let whole = [untagged, tags, b"body"].concat();
                    let mut body = Bytes::from(whole.clone());
                    let taken = take_request_header(12, version, &mut body).unwrap();
                    assert_eq!((taken.as_deref(), &body[..]), (id.map(str::as_bytes), &b"body"[..]));
                    for end in 0..whole.len() - b"body".len() {
                        let mut cut = Bytes::copy_from_slice(&whole[..end]);
                        assert_eq!(
                            take_request_header(12, version, &mut cut),
                            Err(Fault::Client(ClientFault::RequestHeader))
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn client_ids_are_any_bytes() {
        for id in [&b"caf\xe9"[..], b"\xff\xfe", b"\xed\xa0\x80"] {
            let frame = request_frame((12, 4), 1, Some(id), Rope::new()).unwrap().into_bytes();
            assert_eq!(take_request_header(12, 4, &mut frame.slice(4..)).unwrap().as_deref(), Some(id));
        }
    }

    #[test]
    fn response_headers_are_as_the_codec_has_them() {
        for (version, header_version) in [(3, 0), (4, 1)] {
            let bytes = encoded(&ResponseHeader::default().with_correlation_id(-7), header_version);
            assert_eq!(answer_frame((12, version), -7, Rope::new()).unwrap().into_bytes()[4..], bytes);
            for end in 0..bytes.len() {
                let mut cut = Bytes::copy_from_slice(&bytes[..end]);
                assert_eq!(take_response_header(12, version, &mut cut), Ok(None));
            }
            let mut body = Bytes::from([&bytes[..], b"body"].concat());
            assert_eq!(take_response_header(12, version, &mut body), Ok(Some(())));
            assert_eq!(&body[..], b"body");
        }
    }

    /// Each costs two bytes and no memory: millions of them are only skipped.
    #[test]
    fn tags_of_a_header_are_not_kept() {
        let count = 3_000_000u32;
        let mut header = vec![0, 12, 0, 4, 0, 0, 0, 1, 0xff, 0xff];
        let mut tags = Rope::new();
        tags.put_uvarint(count);
        header.extend_from_slice(&tags.into_bytes());
        header.extend(vec![0; 2 * count as usize]);
        let mut body = Bytes::from(header);
        assert_eq!(take_request_header(12, 4, &mut body), Ok(None));
        assert!(body.is_empty());
    }
}
