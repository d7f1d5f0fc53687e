//! Each shape is checked against `kafka-protocol` itself: bodies are built from the shape, and must decode
//! and encode back to the same bytes, in every version. Then each body is spoilt in every way that the check
//! is there for.
use super::*;
use bytes::BytesMut;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Encodable;
use proptest::prelude::*;
use std::ops::RangeInclusive;

struct Case {
    name: &'static str,
    shape: &'static Shape,
    versions: RangeInclusive<i16>,
    /// What `kafka-protocol` makes of a body: decoded and encoded again, `None` if it refuses it or leaves
    /// bytes over.
    reencode: fn(&[u8], i16) -> Option<Bytes>,
    default: fn(i16) -> Bytes,
}

fn reencode<M: Decodable + Encodable>(body: &[u8], version: i16) -> Option<Bytes> {
    let mut rest = Bytes::copy_from_slice(body);
    let message = M::decode(&mut rest, version).ok()?;
    rest.is_empty().then(|| encode(&message, version))
}

fn encode<M: Encodable>(message: &M, version: i16) -> Bytes {
    let mut bytes = BytesMut::new();
    message.encode(&mut bytes, version).unwrap();
    bytes.freeze()
}

/// Of answers to requests that pass unread.
macro_rules! answers {
    ($($response:ident, $shape:ident, $versions:expr;)*) => {
        [$(
            Case {
                name: stringify!($response),
                shape: &responses::$shape,
                versions: $versions,
                reencode: reencode::<$response>,
                default: |version| encode(&$response::default(), version),
            },
        )*]
    };
}

macro_rules! cases {
    ($($request:ident, $response:ident, $shape:ident, $versions:expr;)*) => {
        [$(
            Case {
                name: stringify!($request),
                shape: &requests::$shape,
                versions: $versions,
                reencode: reencode::<$request>,
                default: |version| encode(&$request::default(), version),
            },
            Case {
                name: stringify!($response),
                shape: &responses::$shape,
                versions: $versions,
                reencode: reencode::<$response>,
                default: |version| encode(&$response::default(), version),
            },
        )*]
    };
}

fn cases() -> impl Iterator<Item = (Case, i16)> {
    let cases = cases! {
        ProduceRequest, ProduceResponse, PRODUCE, 3..=13;
        FetchRequest, FetchResponse, FETCH, 4..=12;
        ListOffsetsRequest, ListOffsetsResponse, LIST_OFFSETS, 1..=10;
        MetadataRequest, MetadataResponse, METADATA, 0..=13;
        OffsetCommitRequest, OffsetCommitResponse, OFFSET_COMMIT, 2..=9;
        OffsetFetchRequest, OffsetFetchResponse, OFFSET_FETCH, 1..=9;
        FindCoordinatorRequest, FindCoordinatorResponse, FIND_COORDINATOR, 0..=6;
        HeartbeatRequest, HeartbeatResponse, HEARTBEAT, 0..=4;
        DescribeGroupsRequest, DescribeGroupsResponse, DESCRIBE_GROUPS, 0..=6;
        ListGroupsRequest, ListGroupsResponse, LIST_GROUPS, 0..=5;
        SaslHandshakeRequest, SaslHandshakeResponse, SASL_HANDSHAKE, 0..=1;
        ApiVersionsRequest, ApiVersionsResponse, API_VERSIONS, 0..=4;
        CreateTopicsRequest, CreateTopicsResponse, CREATE_TOPICS, 2..=7;
        InitProducerIdRequest, InitProducerIdResponse, INIT_PRODUCER_ID, 0..=5;
        DeleteRecordsRequest, DeleteRecordsResponse, DELETE_RECORDS, 0..=2;
        OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OFFSET_FOR_LEADER_EPOCH, 2..=4;
        DescribeLogDirsRequest, DescribeLogDirsResponse, DESCRIBE_LOG_DIRS, 1..=4;
        SaslAuthenticateRequest, SaslAuthenticateResponse, SASL_AUTHENTICATE, 0..=2;
        CreatePartitionsRequest, CreatePartitionsResponse, CREATE_PARTITIONS, 0..=3;
        DeleteGroupsRequest, DeleteGroupsResponse, DELETE_GROUPS, 0..=2;
        ElectLeadersRequest, ElectLeadersResponse, ELECT_LEADERS, 0..=2;
        AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ALTER_PARTITION_REASSIGNMENTS, 0..=1;
        ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, LIST_PARTITION_REASSIGNMENTS, 0..=0;
        OffsetDeleteRequest, OffsetDeleteResponse, OFFSET_DELETE, 0..=0;
        DescribeClusterRequest, DescribeClusterResponse, DESCRIBE_CLUSTER, 0..=2;
        DescribeProducersRequest, DescribeProducersResponse, DESCRIBE_PRODUCERS, 0..=0;
        CreateAclsRequest, CreateAclsResponse, CREATE_ACLS, 1..=3;
        DeleteAclsRequest, DeleteAclsResponse, DELETE_ACLS, 1..=3;
        DescribeConfigsRequest, DescribeConfigsResponse, DESCRIBE_CONFIGS, 1..=4;
        AlterConfigsRequest, AlterConfigsResponse, ALTER_CONFIGS, 0..=2;
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, INCREMENTAL_ALTER_CONFIGS, 0..=1;
        AlterClientQuotasRequest, AlterClientQuotasResponse, ALTER_CLIENT_QUOTAS, 0..=1;
        AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, ALTER_USER_SCRAM_CREDENTIALS, 0..=0;
    };
    let passed = answers! {
        DeleteTopicsResponse, DELETE_TOPICS, 1..=6;
        DescribeAclsResponse, DESCRIBE_ACLS, 1..=3;
        DescribeClientQuotasResponse, DESCRIBE_CLIENT_QUOTAS, 0..=1;
        DescribeUserScramCredentialsResponse, DESCRIBE_USER_SCRAM_CREDENTIALS, 0..=0;
    };
    let versions = |case: Case| {
        let (low, high) = case.versions.clone().into_inner();
        (low..=high).map(move |version| (Case { versions: low..=high, ..case }, version))
    };
    cases.into_iter().chain(passed).flat_map(versions)
}

/// A length or count in a built body.
#[derive(Clone, Copy)]
struct Mark {
    at: usize,
    bytes: usize,
    is_string: bool,
}

/// Builds a body from its shape: two elements per array, strings of three bytes, all tags and one unknown
/// tag.
struct Builder {
    version: i16,
    flexible: bool,
    bytes: Vec<u8>,
    lengths: Vec<Mark>,
    /// Whether what may be null is null.
    nulls: bool,
    /// Fields that may not be null, so far; the one with this number is null all the same.
    strict: usize,
    spoil: Option<usize>,
}

impl Builder {
    fn build(shape: &'static Shape, version: i16, nulls: bool, spoil: Option<usize>) -> Builder {
        let flexible = version >= shape.flexible_since;
        let (bytes, lengths) = (Vec::new(), Vec::new());
        let mut builder = Builder { version, flexible, bytes, lengths, nulls, strict: 0, spoil };
        builder.structure(shape.fields);
        builder
    }

    fn structure(&mut self, fields: &'static [Field]) {
        fields.iter().for_each(|field| self.field(field));
        if !self.flexible {
            return;
        }
        let tags: Vec<_> = fields.iter().filter_map(|field| self.tag(field)).collect();
        self.lengths.push(Mark { at: self.bytes.len(), bytes: 1, is_string: false });
        self.bytes.push(tags.len() as u8 + 1);
        for (tag, content) in tags {
            let size_at = self.bytes.len() + 1;
            self.bytes.extend([tag as u8, 0]);
            self.field(content);
            self.bytes[size_at] = u8::try_from(self.bytes.len() - size_at - 1).unwrap();
            assert!(self.bytes[size_at] < 0x80);
        }
        self.bytes.extend([100, 3, 9, 9, 9]);
    }

    fn tag(&self, field: &'static Field) -> Option<(u32, &'static Field)> {
        match field {
            Field::Tagged(tag, content) => Some((*tag, content)),
            Field::Since(version, field) if self.version >= *version => self.tag(field),
            Field::Until(version, field) if self.version <= *version => self.tag(field),
            _ => None,
        }
    }

    fn field(&mut self, field: &'static Field) {
        match field {
            Field::Fixed(bytes) => self.bytes.extend(vec![1; *bytes]),
            Field::Str | Field::NullStr => {
                if self.length(3, matches!(field, Field::NullStr), true) {
                    self.bytes.extend(b"abc");
                }
            }
            Field::Bytes | Field::NullBytes => {
                if self.length(2, matches!(field, Field::NullBytes), false) {
                    self.bytes.extend([0xff, 0]);
                }
            }
            Field::Array(fields) | Field::NullArray(fields) => {
                if self.length(2, matches!(field, Field::NullArray(_)), false) {
                    (0..2).for_each(|_| self.structure(fields));
                }
            }
            Field::List(element) | Field::NullList(element) => {
                if self.length(2, matches!(field, Field::NullList(_)), false) {
                    (0..2).for_each(|_| self.field(element));
                }
            }
            Field::Partitions => self.field(&Field::List(&INT32)),
            Field::Struct(fields) => self.structure(fields),
            Field::Since(version, field) if self.version >= *version => self.field(field),
            Field::Until(version, field) if self.version <= *version => self.field(field),
            Field::Since(..) | Field::Until(..) | Field::Tagged(..) => {}
        }
    }

    /// Writes the length, or null; says whether content has to follow.
    fn length(&mut self, length: u8, nullable: bool, is_string: bool) -> bool {
        let null = if nullable { self.nulls } else { self.spoil == Some(self.strict) };
        self.strict += usize::from(!nullable);
        let at = self.bytes.len();
        match (self.flexible, is_string) {
            (true, _) => self.bytes.push(if null { 0 } else { length + 1 }),
            (false, true) => self.bytes.extend(if null { [0xff; 2] } else { [0, length] }),
            (false, false) => self.bytes.extend(if null { [0xff; 4] } else { [0, 0, 0, length] }),
        }
        self.lengths.push(Mark { at, bytes: self.bytes.len() - at, is_string });
        !null
    }
}

const BOUNDS: Bounds = Bounds { elements: limits::ELEMENTS_MAX, ..Bounds::NONE };

fn check(case: &Case, version: i16, body: &[u8]) -> Result<bool, ShapeError> {
    case.shape.check(version, body, limits::ELEMENTS_MAX)
}

/// What is decoded of a body that is not plain, written again.
fn plain(case: &Case, version: i16, body: &[u8]) -> Option<Bytes> {
    assert_eq!(check(case, version, body), Ok(false), "{} v{version}", case.name);
    let plain = case.shape.plain(version, body, BOUNDS).unwrap();
    assert_eq!(check(case, version, &plain), Ok(true), "{} v{version}", case.name);
    (case.reencode)(&plain, version)
}

#[test]
fn shapes_are_what_kafka_protocol_reads() {
    for (case, version) in cases() {
        let what = format!("{} v{version}", case.name);
        let default = (case.default)(version);
        assert_eq!(check(&case, version, &default), Ok(true), "{what}, default");
        let full = Builder::build(case.shape, version, false, None).bytes;
        assert_eq!(check(&case, version, &full), Ok(true), "{what}, {full:?}");
        assert_eq!((case.reencode)(&full, version).as_deref(), Some(&full[..]), "{what}");
        // A tagged field that is null need not come back, so here it must do that all bytes are read.
        let nulls = Builder::build(case.shape, version, true, None).bytes;
        assert_eq!(check(&case, version, &nulls), Ok(true), "{what}, {nulls:?}");
        assert!((case.reencode)(&nulls, version).is_some(), "{what}");
    }
}

#[test]
fn only_what_may_be_null_is() {
    for (case, version) in cases() {
        let strict = Builder::build(case.shape, version, false, None).strict;
        for spoil in 0..strict {
            let body = Builder::build(case.shape, version, false, Some(spoil)).bytes;
            let refused = check(&case, version, &body).map_err(|error| error.what);
            assert_eq!(refused, Err(Misshape::Null), "{} v{version}, field {spoil}", case.name);
            assert_eq!((case.reencode)(&body, version), None, "{} v{version}, field {spoil}", case.name);
        }
    }
}

#[test]
fn cut_or_padded_bodies() {
    for (case, version) in cases() {
        for mut body in [(case.default)(version).to_vec(), Builder::build(case.shape, version, false, None).bytes] {
            for end in 0..body.len() {
                let refused = check(&case, version, &body[..end]).unwrap_err();
                assert_eq!(refused.what, Misshape::Truncated, "{} v{version}, {end} bytes", case.name);
                assert!(refused.at <= end);
            }
            let whole = body.clone();
            body.extend([0, 1, 0xff]);
            assert_eq!(plain(&case, version, &body), (case.reencode)(&whole, version), "{} v{version}", case.name);
        }
    }
}

#[test]
fn lengths_and_counts_that_lie() {
    for (case, version) in cases() {
        let Builder { bytes, lengths, flexible, .. } = Builder::build(case.shape, version, false, None);
        for Mark { at, bytes: len, is_string } in lengths {
            let lies: &[&[u8]] = match (flexible, is_string) {
                (true, _) => &[&[0x80, 0x80, 0x80, 0x80, 0x04], &[0x80, 0x80, 0x80, 0x80, 0x08], &[0xff; 6]],
                (false, true) => &[&[0x7f, 0xff]],
                (false, false) => &[&[0x7f, 0xff, 0xff, 0xff]],
            };
            for lie in lies {
                let body = [&bytes[..at], lie, &bytes[at + len..]].concat();
                assert!(check(&case, version, &body).is_err(), "{} v{version} at {at}: {lie:?}", case.name);
            }
        }
    }
}

/// As in Kafka, any negative length is null, in one form or the other.
#[test]
fn null_is_any_negative_length() {
    for (case, version) in cases() {
        let Builder { bytes, lengths, flexible, .. } = Builder::build(case.shape, version, true, None);
        for Mark { at, bytes: len, is_string } in lengths {
            let null: &[u8] = if flexible { &[0] } else { &[0xff; 4][..len] };
            if bytes[at..at + len] != *null {
                continue;
            }
            let nulls: &[&[u8]] = match (flexible, is_string) {
                (true, _) => &[&[0xff, 0xff, 0xff, 0xff, 0x0f], &[0x81, 0x80, 0x80, 0x80, 0x08]],
                (false, true) => &[&[0xff, 0xfe], &[0x80, 0]],
                (false, false) => &[&[0xff, 0xff, 0xff, 0xfe], &[0x80, 0, 0, 0]],
            };
            for other in nulls {
                let body = [&bytes[..at], other, &bytes[at + len..]].concat();
                let whole = (case.reencode)(&bytes, version);
                assert_eq!(plain(&case, version, &body), whole, "{} v{version} at {at}: {other:?}", case.name);
            }
        }
    }
}

#[test]
fn text_that_is_not_utf_8_is_put_right() {
    for (case, version) in cases() {
        let Builder { bytes, lengths, .. } = Builder::build(case.shape, version, false, None);
        for Mark { at, bytes: len, .. } in lengths.iter().filter(|mark| mark.is_string) {
            let mut body = bytes.clone();
            body[at + len..at + len + 3].copy_from_slice(b"\xffbc");
            let text = plain(&case, version, &body).unwrap();
            let replaced = text.windows(5).any(|bytes| bytes == "\u{fffd}bc".as_bytes());
            assert!(replaced, "{} v{version} at {at}: {text:?}", case.name);
        }
    }
}

#[test]
fn text_grows_by_so_much_and_no_more() {
    let decode = |body: Bytes| decode_request::<DeleteGroupsRequest>(&body, 0);
    let most = limits::TEXT_GROWTH_MAX / 2;
    let check = |count| requests::DELETE_GROUPS.check(0, &names_of(count), usize::MAX).map_err(|error| error.what);
    assert_eq!((check(most), check(most + 1)), (Ok(false), Err(Misshape::Growth)));
    assert_eq!(decode(names_of(3).into()).unwrap().groups_names.len(), 3);
    let long = [&[0, 0, 0, 1, 0x7f, 0xff][..], &[0xff; 0x7fff]].concat().into();
    assert_eq!(decode(long).unwrap_err().what, Misshape::StringTooLong);
}

fn names_of(count: usize) -> Vec<u8> {
    [&(count as i32).to_be_bytes()[..], &[0, 1, 0xff].repeat(count)].concat()
}

#[test]
fn elements_are_counted_over_the_whole_message() {
    let names = |count: usize| [&(count as i32).to_be_bytes()[..], &vec![0; 2 * count]].concat();
    let check = |body: &[u8]| requests::DELETE_GROUPS.check(0, body, limits::ELEMENTS_MAX).map_err(|error| error.what);
    assert_eq!(check(&names(limits::ELEMENTS_MAX)), Ok(true));
    assert_eq!(check(&names(limits::ELEMENTS_MAX + 1)), Err(Misshape::TooManyElements));

    // Two lists of groups that pass alone, and tags that take up what is left.
    let list = |count: usize| [&varint(count as u32 + 1)[..], &vec![1; count]].concat();
    let check = |body: &[u8]| requests::LIST_GROUPS.check(5, body, limits::ELEMENTS_MAX).map_err(|error| error.what);
    let half = list(limits::ELEMENTS_MAX / 2);
    assert_eq!(check(&[&half[..], &half, &[0]].concat()), Ok(true));
    assert_eq!(check(&[&half[..], &half, &[1, 9, 0]].concat()), Err(Misshape::TooManyElements));
}

#[test]
fn numbers_cost_no_more_than_their_bytes() {
    let count = 3 * limits::ELEMENTS_MAX;
    let mut body = vec![0, 0, 0, 1, 0, 0];
    body.extend((count as i32).to_be_bytes());
    body.extend(vec![0; 4 * count]);
    let topics = Shape { fields: &[Field::Array(&[Field::Str, Field::List(&INT32)])], flexible_since: i16::MAX };
    assert_eq!(topics.check(0, &body, limits::ELEMENTS_MAX), Ok(true));
    assert!(topics.check(0, &body[..body.len() - 1], limits::ELEMENTS_MAX).is_err());
}

/// Of a request, nothing is built of too many numbers: of partitions that become structs, and of others.
#[test]
fn numbers_in_requests_are_bounded() {
    let body = |before: &[u8], count: usize, behind: &[u8]| {
        Bytes::from([&[before, &(count as i32).to_be_bytes()].concat()[..], &vec![0; 4 * count], behind].concat())
    };
    let topic = [0, 0, 0, 1, 0, 0];
    let too_many = Some(Misshape::TooManyElements);
    let elect = |count| {
        let body = body(&topic, count, &[0; 4]);
        decode_request::<ElectLeadersRequest>(&body, 0).err().map(|error| error.what)
    };
    // A topic, and its name is no element of a list.
    assert_eq!([0, 1].map(|more| elect(limits::ELEMENTS_MAX - 1 + more)), [None, too_many]);
    let sizes = |count| {
        let body = body(&topic, count, &[]);
        decode_request::<DescribeLogDirsRequest>(&body, 1).err().map(|error| error.what)
    };
    assert_eq!([0, 1].map(|more| sizes(limits::NUMBERS_MAX + more)), [None, too_many]);
}

/// As in Kafka, which reads a field that it knows without a look at its size.
#[test]
fn a_known_tag_is_as_long_as_its_content() {
    let body = |size: u8| [&[0, 0, 1, 0, 0, 0, 0, 1, 1, size][..], &[0; 8]].concat();
    let check = |body: &[u8]| responses::API_VERSIONS.check(3, body, 10).map_err(|error| error.what);
    assert_eq!(check(&body(8)), Ok(true));
    for size in [0, 7, 9, 127] {
        assert_eq!(check(&body(size)), Ok(false));
        assert_eq!(responses::API_VERSIONS.plain(3, &body(size), BOUNDS).unwrap(), body(8));
    }
    assert_eq!(check(&body(8)[..17]), Err(Misshape::Truncated));
}

/// `kafka-protocol` would count such a tag when it writes the message again, and leave it out.
#[test]
fn tags_beyond_java_s_numbers_are_dropped() {
    const TAGS: [(&[u8], &[u8]); 4] = [
        (&[1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 7], &[0]),
        (&[2, 0x80, 0x80, 0x80, 0x80, 0x08, 0, 90, 1, 7], &[1, 90, 1, 7]),
        (&[2, 90, 1, 7, 0x80, 0x80, 0x80, 0x80, 0x08, 0], &[1, 90, 1, 7]),
        (&[1, 0xff, 0xff, 0xff, 0xff, 0x07, 1, 7], &[1, 0xff, 0xff, 0xff, 0xff, 0x07, 1, 7]),
    ];
    for (tags, kept) in TAGS {
        let body = Bytes::from([&[1, 1, 0, 0][..], tags].concat());
        let message: MetadataRequest = decode_request(&body, 9).unwrap();
        assert_eq!(encode(&message, 9), [&[1, 1, 0, 0][..], kept].concat(), "{tags:x?}");
    }
}

#[test]
fn decodes_what_fits() {
    let body = Bytes::from_static(&[0, 1, b'g', 0, 0, 0, 7, 0, 1, b'm', 9, 9]);
    let request: HeartbeatRequest = decode_request(&body, 0).unwrap();
    assert_eq!((request.group_id.as_str(), request.generation_id), ("g", 7));

    let not_utf8 = Bytes::from_static(&[0, 1, 0xff, 0, 0, 0, 7, 0, 1, b'm']);
    let request: HeartbeatRequest = decode_request(&not_utf8, 0).unwrap();
    assert_eq!(request.group_id.as_str(), "\u{fffd}");

    let refused = decode_request::<HeartbeatRequest>(&Bytes::new(), 0).unwrap_err();
    assert_eq!(refused, ShapeError { at: 0, what: Misshape::Truncated });
    let refused =
        decode_request::<HeartbeatRequest>(&Bytes::from_static(&[2, b'g', 0, 0, 0, 7, 2, b'm', 0, 0]), 99).unwrap_err();
    assert_eq!(refused.what, Misshape::Undecodable);
}

fn varint(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// What passes the check can be put right, and decodes.
fn read_somehow(case: &Case, version: i16, body: &[u8]) {
    match check(case, version, body) {
        Ok(true) => drop((case.reencode)(body, version)),
        Ok(false) => drop(plain(case, version, body)),
        Err(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for (case, version) in cases() {
            read_somehow(&case, version, &bytes);
        }
    }

    /// One wrong byte gives a body that is refused, or that decodes in no more memory than it has.
    #[test]
    fn a_wrong_byte_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), nulls in any::<bool>()) {
        for (case, version) in cases() {
            let mut body = Builder::build(case.shape, version, nulls, None).bytes;
            let at = at.index(body.len().max(1));
            if let Some(place) = body.get_mut(at) {
                *place = byte;
            }
            read_somehow(&case, version, &body);
        }
    }
}

/// Nobody knows what they say, and each costs.
#[test]
fn more_unknown_tags_than_anyone_has_are_left_out() {
    let body = |tags: usize| {
        let mut body = vec![2, b'n', 2, b'v'];
        let mut put = |mut number: usize| {
            while number >= 0x80 {
                body.push(number as u8 | 0x80);
                number >>= 7;
            }
            body.push(number as u8);
        };
        put(tags);
        (0..tags).for_each(|tag| {
            put(tag);
            put(0);
        });
        Bytes::from(body)
    };
    let read = |tags: usize| {
        let message: ApiVersionsRequest = decode_request(&body(tags), 3).unwrap();
        assert_eq!((&message.client_software_name[..], &message.client_software_version[..]), ("n", "v"));
        message.unknown_tagged_fields.len()
    };
    assert_eq!(read(0), 0);
    assert_eq!(read(limits::UNKNOWN_TAGS_MAX), limits::UNKNOWN_TAGS_MAX);
    assert_eq!(read(130_000), limits::UNKNOWN_TAGS_MAX);
    let answer = responses::API_VERSIONS.plain(3, &[0, 0, 1, 0, 0, 0, 0, 1, 9, 0], BOUNDS).unwrap();
    assert_eq!(answer.last_chunk(), Some(&[1, 9, 0]), "of a broker all are kept");
}
