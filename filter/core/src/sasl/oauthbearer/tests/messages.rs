//! The clients' first message.

use super::*;
use crate::limits::OAUTH_MESSAGE_BYTES_MAX;
use crate::sasl::oauthbearer::message::ClientResponse;

fn parsed(message: &str) -> Option<(String, String)> {
    let ClientResponse { authzid, token } = ClientResponse::parse(message.as_bytes())?;
    Some((authzid, token.to_owned()))
}

#[test]
fn what_clients_send() {
    let good = [
        // Java, librdkafka, kafka-python, sarama, franz-go
        ("n,,\x01auth=Bearer a.b-c_d\x01\x01", "", "a.b-c_d"),
        // Java and librdkafka with extensions (KIP-342)
        ("n,,\x01auth=Bearer a\x01traceId=123 \t\r\n~\x01logicalCluster=lkc-1\x01\x01", "", "a"),
        ("n,,\x01k=v=w\x01auth=bearer  a\x01e=\x01\x01", "", "a"),
        ("n,a=alice,\x01auth=Bearer a+/==\x01\x01", "alice", "a+/=="),
        ("y,a=a=2Cb=3Dc=2C=3D,\x01auth=BEARER a\x01\x01", "a,b=c,=", "a"),
        ("n,a=,\x01auth=Bearer a\x01\x01", "", "a"),
        ("n,a=müller,\x01auth=Bearer a\x01\x01", "müller", "a"),
    ];
    for (message, authzid, token) in good {
        assert_eq!(parsed(message), Some((authzid.to_owned(), token.to_owned())), "{message:?}");
    }
}

#[test]
fn what_is_malformed_fails_at_once() {
    let malformed = [
        "",
        "\x01",
        "n,,",
        "n,,\x01\x01",
        "n,,\x01\x01\x01",
        "n,,\x01auth=Bearer a\x01",
        "n,,\x01auth=Bearer a",
        "n,,auth=Bearer a\x01\x01",
        "n,\x01auth=Bearer a\x01\x01",
        "n,,\x01auth=Bearer a\x01\x01x",
        "n,,\x01auth=Bearer a\x01\x01\x01",
        "n,,\x01\x01auth=Bearer a\x01\x01",
        "p=tls-unique,,\x01auth=Bearer a\x01\x01",
        "F,n,,\x01auth=Bearer a\x01\x01",
        "N,,\x01auth=Bearer a\x01\x01",
        "n,b=alice,\x01auth=Bearer a\x01\x01",
        "n,a=a=2c,\x01auth=Bearer a\x01\x01",
        "n,a=a=,\x01auth=Bearer a\x01\x01",
        "n,a=a==3D,\x01auth=Bearer a\x01\x01",
        "n,,\x01auth=Basic a\x01\x01",
        "n,,\x01auth=Bearer\x01\x01",
        "n,,\x01auth=Bearer \x01\x01",
        "n,,\x01auth=Bearera\x01\x01",
        "n,,\x01auth=Bearer a b\x01\x01",
        "n,,\x01auth=Bearer a\n\x01\x01",
        "n,,\x01auth=Bearer ä\x01\x01",
        "n,,\x01Auth=Bearer a\x01\x01",
        "n,,\x01auth=Bearer a\x01auth=Bearer b\x01\x01",
        "n,,\x01auth=Bearer a\x01k1=v\x01\x01",
        "n,,\x01auth=Bearer a\x01=v\x01\x01",
        "n,,\x01auth=Bearer a\x01k\x01\x01",
        "n,,\x01auth=Bearer a\x01k=\x7f\x01\x01",
        "n,,\x01auth=Bearer a\x01k=\0\x01\x01",
        "\0alice\0password",
    ];
    let fake = Fake::saying(true);
    let checker = Checker::new(settings());
    for message in malformed {
        let failed = (Step::Failed, Some("the message is malformed"));
        assert_eq!(step(&checker, &fake, message.as_bytes(), NOW), failed, "{message:?}");
    }
    let not_utf8 = [b"n,a=\xff,\x01auth=Bearer a\x01\x01".as_slice(), b"\xff\xfe"];
    for message in not_utf8 {
        assert_eq!(step(&checker, &fake, message, NOW).0, Step::Failed);
    }
    let whole = message(&good());
    for length in 0..whole.len() {
        assert_eq!(step(&checker, &fake, &whole[..length], NOW).0, Step::Failed, "{length} bytes");
    }
    assert!(fake.calls.borrow().is_empty());
}

#[test]
fn a_long_message_fails() {
    let checker = Checker::new(settings());
    let of = |length: usize| {
        let message = format!("n,,\x01auth=Bearer {}\x01x=\x01\x01", good());
        message.replace("x=", &format!("x={}", "v".repeat(length - message.len()))).into_bytes()
    };
    assert_eq!(step(&checker, &Real, &of(OAUTH_MESSAGE_BYTES_MAX), NOW), done("alice", NOW + 360_000));
    let failed = (Step::Failed, Some("the message is too long"));
    assert_eq!(step(&checker, &Real, &of(OAUTH_MESSAGE_BYTES_MAX + 1), NOW), failed);
}

#[test]
fn the_authorization_id_is_the_principal_or_none() {
    let checker = Checker::new(settings());
    let with = |authzid: &str| format!("n,{authzid},\x01auth=Bearer {}\x01\x01", good()).into_bytes();
    assert_eq!(step(&checker, &Real, &with("a=alice"), NOW), done("alice", NOW + 360_000));
    let failed = (Step::Failed, Some("the authorization id is not the token's principal"));
    for other in ["a=bob", "a=Alice", "a=alice=2C", "a=alic"] {
        assert_eq!(step(&checker, &Real, &with(other), NOW), failed);
    }
}
