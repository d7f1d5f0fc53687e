//! What the worker remembers of the way behind siblings: who profits from it, and what becomes of it when the
//! log is another one.

use super::*;

const OUT_OF_RANGE: i16 = 1;

/// Seven records of a sibling from this offset on.
fn siblings(base_offset: i64) -> Bytes {
    lane(0, base_offset, &["a"; 7])
}

/// A Fetch of `t` 2 at 0 that does not wait.
fn poll() -> FetchRequest {
    fetch(&[("t", 2, 0)]).with_max_wait_ms(0)
}

/// A client behind whose position lie siblings' records, which the worker has seen.
fn behind_siblings(config: &str) -> Client {
    let mut client = Client::new(config);
    let round = client.fetch(&poll());
    client.last(&round, vec![("t", data(0, &[siblings(0)]))]);
    client
}

fn partition_max_bytes(seen: &Seen) -> i32 {
    let message: FetchRequest = seen.message();
    message.topics[0].partitions[0].partition_max_bytes
}

#[test]
fn any_position_inside_is_taken_behind_it_whoever_asks() {
    let shared = shared(MAPPED);
    let mut first = Client::of(&shared);
    let round = first.fetch(&poll());
    first.last(&round, vec![("t", data(0, &[siblings(0)]))]);
    for (partition, offset, expected) in [(2, 0, 7), (2, 6, 7), (2, 7, 7), (2, 8, 8), (4, 0, 0), (0, 0, 0), (3, 0, 0)] {
        let mut other = Client::of(&shared);
        let round = other.fetch(&fetch(&[("t", partition, offset)]));
        assert_eq!(asked(&round).0, [place("t", partition % 2, expected)], "{partition} at {offset}");
    }
}

#[test]
fn a_log_that_was_made_again_is_read_from_the_client_s_position() {
    let other_log = [lane(0, 0, &["x"; 7])];
    let gone = || data(0, &[]).with_error_code(OUT_OF_RANGE).with_high_watermark(-1);
    for (what, proof) in [("other", data(0, &other_log)), ("nothing", data(0, &[])), ("error", gone())] {
        for filler in ["never", "always"] {
            let mut client = behind_siblings(&with_filler(filler));
            let round = client.fetch(&fetch(&[("t", 2, 0)]));
            assert_eq!(asked(&round).0, [place("t", 0, 7)]);
            let proof_round = client.next(&round, vec![("t", data(0, &[lane(1, 7, &["late"])]))]);
            assert_eq!(asked(&proof_round), (vec![place("t", 0, 6)], 0));
            assert_eq!(partition_max_bytes(&proof_round), siblings(0).len() as i32);
            let round = client.next(&proof_round, vec![("t", proof.clone())]);
            assert_eq!(asked(&round).0, [place("t", 0, 0)], "{what}");
            let told = client.last(&round, vec![("t", data(0, &[lane(1, 0, &["first"]), lane(1, 1, &["second"])]))]);
            assert_eq!(values(&told[&key("t", 2)]), valued(&[(0, "first"), (1, "second")]), "{what}");
            // And it is forgotten for everybody.
            assert_eq!(asked(&client.fetch(&fetch(&[("t", 2, 0)]))).0, [place("t", 0, 0)]);
        }
    }
}

#[test]
fn a_log_that_ends_before_the_skip_is_read_from_the_client_s_position() {
    let mut client = behind_siblings(MAPPED);
    let round = client.fetch(&fetch(&[("t", 2, 0)]));
    let gone = data(0, &[]).with_error_code(OUT_OF_RANGE).with_high_watermark(-1);
    let round = client.next(&round, vec![("t", gone)]);
    assert_eq!(asked(&round).0, [place("t", 0, 0)]);
    let told = client.last(&round, vec![("t", data(0, &[lane(1, 0, &["b"])]))]);
    assert_eq!(values(&told[&key("t", 2)]), valued(&[(0, "b")]));
}

#[test]
fn a_topic_that_is_gone_is_forgotten() {
    let mut client = behind_siblings(MAPPED);
    let round = client.fetch(&poll());
    let gone = data(0, &[]).with_error_code(ResponseError::UnknownTopicOrPartition.code());
    client.reply(&round, vec![("t", gone)]);
    client.told_later();
    assert_eq!(asked(&client.fetch(&poll())).0, [place("t", 0, 0)]);
}

#[test]
fn a_client_that_asks_for_one_position_again_and_again_gets_there() {
    for filler in ["never", "always"] {
        let shared = shared(&with_filler(filler));
        for turn in 0..5 {
            // It connects anew for each Fetch.
            let mut client = Client::of(&shared);
            let round = client.fetch(&poll());
            assert_eq!(asked(&round), (vec![place("t", 0, 7 * turn)], 0));
            let came = vec![("t", data(0, &[siblings(7 * turn)]))];
            let told = if turn == 0 {
                client.last(&round, came)
            } else {
                let proof = client.next(&round, came);
                assert_eq!(asked(&proof).0, [place("t", 0, 7 * turn - 1)]);
                client.last(&proof, vec![("t", data(0, &[siblings(7 * (turn - 1))]))])
            };
            let records = told[&key("t", 2)].records.as_deref().unwrap();
            assert_eq!(controls(records), if filler == "always" { vec![7 * turn + 6] } else { vec![] });
        }
    }
}

#[test]
fn who_is_moved_by_a_proof_alone_is_told_where_the_log_ends() {
    let mut client = behind_siblings(&with_filler("always"));
    // Siblings take turns.
    let round = client.fetch(&fetch(&[("t", 4, 99)]).with_max_wait_ms(0));
    client.last(&round, vec![("t", data(0, &[]))]);
    let round = client.fetch(&fetch(&[("t", 2, 0), ("t", 4, 150)]));
    assert_eq!(asked(&round).0, [place("t", 0, 150)]);
    let gone = data(0, &[]).with_error_code(OUT_OF_RANGE).with_high_watermark(-1);
    let proof = client.next(&round, vec![("t", gone)]);
    assert_eq!(asked(&proof), (vec![place("t", 0, 6)], 0));
    let told = client.last(&proof, vec![("t", data(0, &[siblings(0)]))]);
    assert_eq!(told[&key("t", 4)].error_code, OUT_OF_RANGE);
    let two = &told[&key("t", 2)];
    assert_eq!(
        (controls(two.records.as_deref().unwrap()), two.high_watermark, two.last_stable_offset),
        (vec![6], 100, 90)
    );
}

#[test]
fn what_was_found_stays_for_a_client_that_seeks_back() {
    let mut client = behind_siblings(&with_filler("always"));
    for _ in 0..3 {
        let round = client.fetch(&poll());
        assert_eq!(asked(&round).0, [place("t", 0, 7)]);
        let proof = client.next(&round, vec![("t", data(0, &[lane(1, 7, &["b"]), lane(0, 8, &["a"])]))]);
        let told = client.last(&proof, vec![("t", data(0, &[siblings(0)]))]);
        assert_eq!(values(&told[&key("t", 2)]), valued(&[(7, "b")]));
    }
}

#[test]
fn a_client_that_gets_nothing_is_told_so_without_a_look_back_for_some_seconds() {
    let mut client = behind_siblings(MAPPED);
    for (now, looks) in [(5_000, false), (9_999, false), (10_000, true), (19_999, false), (20_000, true)] {
        client.proxy.now = now;
        crate::testing::see_topics(&client.shared, now);
        let round = client.fetch(&poll());
        assert_eq!(asked(&round).0, [place("t", 0, 7)]);
        let told = if looks {
            let proof = client.next(&round, vec![("t", data(0, &[]))]);
            client.last(&proof, vec![("t", data(0, &[siblings(0)]))])
        } else {
            client.last(&round, vec![("t", data(0, &[]))])
        };
        let two = &told[&key("t", 2)];
        assert_eq!((two.records.as_deref(), two.high_watermark), (Some(&[][..]), 0));
    }
}

#[test]
fn siblings_that_came_by_one_way_are_proven_together_and_others_in_further_rounds() {
    let mut client = Client::new(MAPPED);
    // Lanes 1 and 2 see the same siblings' records; then lane 2 alone sees more.
    let both = fetch(&[("t", 2, 0), ("t", 4, 0)]).with_max_wait_ms(0);
    let round = client.fetch(&both);
    client.last(&round, vec![("t", data(0, &[siblings(0)]))]);
    let round = client.fetch(&both);
    let proof = client.next(&round, vec![("t", data(0, &[lane(1, 7, &["b"]), lane(2, 8, &["c"])]))]);
    let told = client.last(&proof, vec![("t", data(0, &[siblings(0)]))]);
    assert_eq!(values(&told[&key("t", 2)]), valued(&[(7, "b")]));
    assert_eq!(values(&told[&key("t", 4)]), valued(&[(8, "c")]));
    let four = fetch(&[("t", 4, 9)]).with_max_wait_ms(0);
    let round = client.fetch(&four);
    client.last(&round, vec![("t", data(0, &[siblings(9)]))]);
    let apart = fetch(&[("t", 2, 0), ("t", 4, 9)]).with_max_wait_ms(0).with_min_bytes(1_000);
    let round = client.fetch(&apart);
    let from = asked(&round).0[0].2;
    assert!(from == 7 || from == 16);
    let set = [lane(1, 7, &["b"]), lane(2, 8, &["c"]), siblings(9), lane(2, 16, &["c"])];
    let set = if from == 7 { &set[..] } else { &set[3..] };
    let mut round = client.next(&round, vec![("t", data(0, set))]);
    let mut ends = vec![];
    for _ in 0..2 {
        let (places, _) = asked(&round);
        ends.push(places[0].2);
        let entry = if places[0].2 == 6 { siblings(0) } else { siblings(9) };
        let came = vec![("t", data(0, &[entry]))];
        client.reply(&round, came);
        if !client.proxy.down.is_empty() {
            break;
        }
        round = client.up();
    }
    assert!(ends.contains(&15), "{ends:?}");
    let told = client.told();
    assert!(values(&told[&key("t", 4)]).contains(&(16, "c".to_owned())));
}

#[test]
fn more_ways_than_can_be_proven_wait_for_another_fetch() {
    let config = r#"{"mapping": {"topics": [{"name": "t", "virtual_partitions": 8, "physical_partitions": 1}]}}"#;
    let mut client = Client::new(config);
    for v in 1..8 {
        let round = client.fetch(&fetch(&[("t", v, 10 * i64::from(v))]).with_max_wait_ms(0));
        client.last(&round, vec![("t", data(0, &[siblings(10 * i64::from(v))]))]);
    }
    let all: Vec<_> = (1..8).map(|v| ("t", v, 10 * i64::from(v))).collect();
    let mut got = std::collections::BTreeSet::new();
    for _ in 0..60 {
        let round = client.fetch(&fetch(&all).with_max_wait_ms(0));
        let from = asked(&round).0[0].2;
        // Each has a record behind all of it.
        let own: Vec<_> = (1..8).map(|v| lane(v, 90 + v, &["own"])).collect();
        let mut came = vec![siblings(from)];
        came.extend(own);
        client.reply(&round, vec![("t", data(0, &came))]);
        let mut proofs = 0;
        while client.proxy.down.is_empty() {
            let proof = client.up();
            let end = asked(&proof).0[0].2 + 1;
            proofs += 1;
            client.reply(&proof, vec![("t", data(0, &[siblings(end - 7)]))]);
        }
        assert!(proofs <= crate::limits::SKIP_PROOF_ROUNDS_MAX);
        got.extend(client.told().into_iter().filter(|(_, data)| !values(data).is_empty()).map(|((_, v), _)| v));
    }
    assert_eq!(got, (1..8).collect(), "each comes to its turn");
}
