//! Errors that last are not answered at once: clients would ask again at once, for ever.

use super::*;

const UNKNOWN: i16 = 3;

fn failed(error: ResponseError) -> PartitionData {
    data(0, &[]).with_error_code(error.code()).with_high_watermark(-1)
}

#[test]
fn what_is_refused_here_is_answered_after_the_client_s_wait() {
    for (wait, delay) in [(0, 100), (-1, 100), (50, 100), (500, 500), (30_000, 1_000), (i32::MAX, 1_000)] {
        let mut client = Client::new(MAPPED);
        let message = fetch(&[("t", 6, 0), ("t", -1, 0)]).with_max_wait_ms(wait);
        client.proxy.client(&request(12, 9, &message));
        let told = client.told_later();
        assert_eq!(client.proxy.delays, [delay], "wait of {wait} ms");
        assert_eq!(told.values().map(|data| data.error_code).collect::<Vec<_>>(), [UNKNOWN, UNKNOWN]);
        assert_eq!(client.proxy.counts["kafka_remapper_responses_total.remapper..api.Fetch.outcome.error"], 1);
    }
}

#[test]
fn others_are_waited_for_beside_it() {
    let mut client = Client::new(MAPPED);
    let round = client.fetch(&fetch(&[("t", 6, 0), ("t", 0, 0)]));
    assert_eq!(asked(&round), (vec![place("t", 0, 0)], 500));
    let told = client.last(&round, vec![("t", data(0, &[lane(0, 0, &["a"])]))]);
    assert_eq!((told[&key("t", 6)].error_code, values(&told[&key("t", 0)]).len()), (UNKNOWN, 1));
    let round = client.fetch(&fetch(&[("t", 6, 0), ("t", 0, 1)]));
    client.proxy.now = 500;
    let told = client.last(&round, vec![("t", data(0, &[]))]);
    assert_eq!((told[&key("t", 6)].error_code, values(&told[&key("t", 0)]).len()), (UNKNOWN, 0));
    assert!(client.proxy.delays.is_empty());
}

#[test]
fn a_lasting_error_of_the_broker_is_passed_on_after_the_client_s_wait() {
    for error in [ResponseError::UnknownTopicOrPartition, ResponseError::TopicAuthorizationFailed] {
        let mut client = Client::new(MAPPED);
        let round = client.fetch(&fetch(&[("t", 0, 0), ("t", 2, 0)]));
        client.proxy.now = 100;
        client.reply(&round, vec![("t", failed(error))]);
        let told = client.told_later();
        assert_eq!(client.proxy.delays, [400]);
        assert_eq!(told.values().map(|data| data.error_code).collect::<Vec<_>>(), [error.code(); 2]);
    }
}

#[test]
fn an_offset_beyond_the_range_is_no_hot_loop() {
    let mut client = Client::new(MAPPED);
    let round = client.fetch(&fetch(&[("l", 2, RANGE + 5)]).with_max_wait_ms(0));
    client.reply(&round, vec![("l", data(0, &[]).with_high_watermark(RANGE))]);
    assert_eq!(client.told_later()[&key("l", 2)].error_code, ResponseError::UnknownServerError.code());
    assert_eq!(client.proxy.delays, [100]);
}

#[test]
fn errors_on_which_the_client_moves_on_are_told_at_once() {
    let moving =
        [ResponseError::OffsetOutOfRange, ResponseError::NotLeaderOrFollower, ResponseError::FencedLeaderEpoch];
    for error in moving {
        let mut client = Client::new(MAPPED);
        let round = client.fetch(&fetch(&[("t", 6, 0), ("t", 0, 5)]));
        assert_eq!(client.last(&round, vec![("t", failed(error))])[&key("t", 0)].error_code, error.code());
    }
    // And what is not mapped is told as a broker does.
    let mut client = Client::new(MAPPED);
    let round = client.fetch(&fetch(&[("t", 0, 0), ("u", 0, 5)]));
    let unknown = failed(ResponseError::UnknownTopicOrPartition);
    assert_eq!(client.last(&round, vec![("t", data(0, &[])), ("u", unknown)])[&key("u", 0)].error_code, UNKNOWN);
    assert!(client.proxy.delays.is_empty());
}

#[test]
fn what_the_client_sends_meanwhile_waits_wherever_it_is_cut() {
    let refused = request(12, 9, &fetch(&[("t", 6, 0)]));
    let good = request(12, 10, &fetch(&[("t", 0, 0)]));
    let stream = [&refused[..], &refused, &good, &refused].concat();
    for cut in 0..=stream.len() {
        let mut client = Client::new(MAPPED);
        client.proxy.client(&stream[..cut]);
        client.proxy.client(&stream[cut..]);
        let mut answered = vec![];
        for _ in 0..4 {
            let up = client.up();
            match up.key {
                18 => client.proxy.broker(&up.answer(&ApiVersionsResponse::default())),
                _ => client.reply(&up, vec![("t", data(0, &[lane(0, 0, &["a"])]))]),
            }
            for frame in take_frames(&mut client.proxy.down) {
                answered.push(read_answer::<FetchResponse>(&frame, 12).0);
            }
        }
        assert_eq!(answered, [9, 9, 10, 9], "cut at {cut}");
        assert!(client.proxy.is_idle());
    }
}

#[test]
fn an_answer_may_repeat_partitions_but_neither_lack_any_nor_name_others() {
    for (named, is_good) in [(&[][..], false), (&[0, 0], true), (&[0, 1], false)] {
        let mut client = Client::new(MAPPED);
        let round = client.fetch(&fetch(&[("t", 2, 0)]));
        client.reply(&round, named.iter().map(|partition| ("t", data(*partition, &[]))).collect());
        assert_eq!(client.proxy.closed, !is_good, "{named:?}");
        assert_eq!(client.proxy.blamed(crate::error::Blame::Broker), u64::from(!is_good), "{named:?}");
    }
}
