//! Lengths, and the heads and headers of requests and answers: the first that is read of a client.

use bytes::Bytes;
use kafka_partition_remapper_core::fuzzing;
use kafka_partition_remapper_core::wire::frame::Input as Frames;
use kafka_protocol::messages::ApiKey;

use crate::bounds::bounded;
use crate::input::Input;
use crate::second::{self, Wire};

/// Limits of frames: none, next to none, and those of a stranger and of everybody.
const LIMITS: [usize; 5] = [0, 1, 64, 512 << 10, 100 << 20];

pub fn frames(data: &[u8]) {
    let mut input = Input::new(data);
    let (limit, piece) = (*input.one_of(&LIMITS), 1 + input.below(255));
    let stream = input.rest();
    let (frames, bad) = second::frames(stream, limit);
    let (read, refused) = bounded(stream, 64, || cut(stream, limit, piece, false));
    assert_eq!(bounded(stream, 64, || cut(stream, limit, piece, true)), (read.clone(), refused));
    assert_eq!((&read, refused), (&frames.iter().map(|frame| Bytes::copy_from_slice(frame)).collect(), bad));
    // A frame's own bytes, and what stands for one where there is none.
    for frame in frames.iter().map(|frame| &frame[4..]).chain([stream]) {
        request(frame);
        response(frame);
    }
}

/// The frames of `stream` when it comes in pieces, and whether a length was refused. `gathers`: they are put
/// together where their bytes are read.
fn cut(stream: &[u8], limit: usize, piece: usize, gathers: bool) -> (Vec<Bytes>, bool) {
    let (mut frames, mut read) = (Frames::new(limit), vec![]);
    for piece in stream.chunks(piece) {
        let filled = frames.fill(piece.len(), |out, n| out.extend_from_slice(&piece[..n]));
        assert!(gathers || filled == 0, "nothing was asked to be put together");
        frames.push(Bytes::copy_from_slice(&piece[filled..]));
        loop {
            match frames.frame_len() {
                Err(_) => return (read, true),
                Ok(None) => break,
                Ok(Some(length)) => match frames.take(length) {
                    Some(frame) => read.push(frame),
                    None if gathers => {
                        frames.gather(length);
                        break;
                    }
                    None => break,
                },
            }
        }
    }
    (read, false)
}

/// Version 2 of a request's header, version 1 of an answer's, are the first with tagged fields.
fn request(frame: &[u8]) {
    let head = bounded(frame, 0, || fuzzing::request_head(frame));
    let mut wire = Wire(frame);
    let (key, version, id) = (wire.number(2), wire.number(2), wire.number(4));
    let second = id.map(|id| (key.unwrap() as i16, version.unwrap() as i16, id as i32));
    assert_eq!(head, second);
    let Some((key, version, correlation_id)) = head else { return };
    let Ok(api) = ApiKey::try_from(key) else { return };
    if !(api.valid_versions().min..=api.valid_versions().max).contains(&version) {
        return;
    }
    let tagged = api.request_header_version(version) >= 2;
    let mut body = Bytes::copy_from_slice(frame);
    let taken = bounded(frame, 1, || fuzzing::take_request_header(key, version, &mut body));
    let Some(client_id) = header(&mut wire, tagged) else {
        assert!(taken.is_err());
        return;
    };
    assert_eq!((taken.as_ref().map(Option::as_deref), &body[..]), (Ok(client_id), wire.0));
    let written = fuzzing::request_frame((key, version), correlation_id, client_id).unwrap();
    let mut body = written.slice(4..);
    assert_eq!(fuzzing::request_head(&body), head);
    let again = fuzzing::take_request_header(key, version, &mut body).unwrap();
    assert_eq!((again.as_deref(), body.len()), (client_id, 0));
}

/// The client id, and no tags or any.
fn header<'a>(wire: &mut Wire<'a>, tagged: bool) -> Option<Option<&'a [u8]>> {
    let client_id = match wire.length(2, false)? {
        Some(length) => Some(wire.take(length)?),
        None => None,
    };
    if tagged {
        wire.tags()?;
    }
    Some(client_id)
}

fn response(frame: &[u8]) {
    for (key, version) in [(ApiKey::ApiVersions, 3), (ApiKey::SaslAuthenticate, 2), (ApiKey::SaslHandshake, 1)] {
        let tagged = key.response_header_version(version) >= 1;
        let mut wire = Wire(frame);
        let second = wire.number(4).and_then(|_| if tagged { wire.tags() } else { Some(vec![]) });
        let mut body = Bytes::copy_from_slice(frame);
        let taken = bounded(frame, 1, || fuzzing::take_response_header(key as i16, version, &mut body)).unwrap();
        assert_eq!(taken.is_some(), second.is_some());
        if taken.is_some() {
            assert_eq!(&body[..], wire.0);
        }
    }
}
