//! Several connections of a worker that read siblings of one physical partition.

use super::*;
use crate::connection::Opening;
use crate::limits::*;
use crate::shared::reads::Reads;
use crate::stats::Stat;
use crate::Millis;

/// Connections 0, 1, 2 … of one worker. Siblings 0, 2, 4 of `t` are lanes 0, 1, 2 of partition 0.
struct Crowd {
    reads: Rc<Reads>,
    clients: Vec<Client>,
}

impl Crowd {
    fn new(config: &str, connections: usize) -> Self {
        Self::at(config, &vec!["b1"; connections])
    }

    /// A connection to each of these brokers.
    fn at(config: &str, brokers: &[&str]) -> Self {
        let shared = shared(config);
        let client = |(number, broker): (usize, &&str)| {
            let opening = Opening { number: number as u32, ..Opening::default() };
            let mut proxy = Proxy::opened(&shared, Feeding::Passing, opening);
            proxy.stream.connection.reaches(broker);
            Client { shared: Rc::clone(&shared), proxy, version: 12 }
        };
        Self { reads: Rc::clone(&shared.reads), clients: brokers.iter().enumerate().map(client).collect() }
    }

    /// All have asked at the start of the log, at one moment: the first one reads. Gives its round.
    fn begin(&mut self) -> Seen {
        let round = self.clients[0].fetch(&fetch(&[("t", 0, 0)]));
        for at in 1..self.clients.len() {
            self.park(at, &fetch(&[("t", 2 * at as i32, 0)]));
        }
        round
    }

    /// Sends a Fetch of which nothing goes up.
    fn park(&mut self, at: usize, message: &FetchRequest) {
        let client = &mut self.clients[at];
        client.proxy.client(&request(client.version, 9, message));
        assert!(client.proxy.up.is_empty() && client.proxy.down.is_empty(), "{at} does not wait");
    }

    /// Answers a round of a client's, and wakes whom that wakes: gives these, and what they ask.
    fn answer(&mut self, at: usize, round: &Seen, found: PartitionData) -> Vec<(usize, Seen)> {
        self.clients[at].reply(round, vec![("t", found)]);
        self.wake()
    }

    fn wake(&mut self) -> Vec<(usize, Seen)> {
        let mut woken = vec![];
        while let Some(number) = self.reads.next_rung() {
            let client = &mut self.clients[number as usize];
            client.proxy.wake();
            woken.push((number as usize, client.up()));
        }
        woken
    }

    fn pass(&mut self, ms: Millis) {
        self.clients.iter_mut().for_each(|client| client.proxy.now += ms);
    }

    fn tick(&mut self) -> Vec<(usize, Seen)> {
        self.reads.tick(self.clients[0].proxy.now, false);
        self.wake()
    }

    /// What a client was told of its partition.
    fn told(&mut self, at: usize) -> PartitionData {
        self.clients[at].told().into_values().next().unwrap()
    }

    fn count(&self, at: usize, stat: Stat) -> u64 {
        self.clients[at].proxy.counts.get(&stat.name("")).copied().unwrap_or(0)
    }
}

/// Where a round asks, and for how many bytes at most.
fn bell(round: &Seen) -> (i64, i32, i32, i32) {
    let message: FetchRequest = round.message();
    let part = &message.topics[0].partitions[0];
    (part.fetch_offset, part.partition_max_bytes, message.max_bytes, message.max_wait_ms)
}

/// The broker's answer; the log ends at `end`.
fn until(end: i64, entries: &[Bytes]) -> PartitionData {
    data(0, entries).with_high_watermark(end).with_last_stable_offset(end)
}

fn an_error(code: i16) -> PartitionData {
    data(0, &[]).with_error_code(code).with_high_watermark(-1).with_last_stable_offset(-1)
}

/// Entries of lanes 0 and 1 at 0 to 3.
fn first_entries() -> [Bytes; 2] {
    [lane(0, 0, &["a0", "a1"]), lane(1, 2, &["b2", "b3"])]
}

#[test]
fn one_reads_for_all_and_the_broker_is_asked_for_each() {
    let mut crowd = Crowd::new(MAPPED, 3);
    let round = crowd.begin();
    let woken = crowd.answer(0, &round, until(4, &first_entries()));
    assert_eq!(values(&crowd.told(0)), valued(&[(0, "a0"), (1, "a1")]));
    // Nothing came for lane 2, which reads on, since the first one has its answer.
    let who: Vec<usize> = woken.iter().map(|(at, _)| *at).collect();
    assert_eq!(who, [1, 2]);
    assert_eq!(bell(&woken[0].1), (4, 1, 1, 0), "nothing is there to bring, and nothing to wait for");
    assert_eq!(asked(&woken[1].1), (vec![place("t", 0, 4)], 500), "it goes on behind what came by");
    // What the broker says on the way is what the client is told.
    crowd.answer(1, &woken[0].1, until(9, &[]).with_last_stable_offset(8));
    let told = crowd.told(1);
    assert_eq!(values(&told), valued(&[(2, "b2"), (3, "b3")]));
    assert_eq!((told.high_watermark, told.last_stable_offset), (9, 8));
    // They come back, and wait for the third one.
    crowd.park(0, &fetch(&[("t", 0, 4)]));
    crowd.park(1, &fetch(&[("t", 2, 4)]));
    let woken = crowd.answer(2, &woken[1].1, until(6, &[lane(0, 4, &["a4"]), lane(2, 5, &["c5"])]));
    assert_eq!(values(&crowd.told(2)), valued(&[(5, "c5")]));
    assert_eq!(woken.iter().map(|(at, round)| (*at, bell(round).0)).collect::<Vec<_>>(), [(0, 6), (1, 6)]);
    crowd.answer(0, &woken[0].1, until(6, &[]));
    assert_eq!(values(&crowd.told(0)), valued(&[(4, "a4")]));
    assert_eq!([0, 1, 2].map(|at| crowd.count(at, Stat::SharedHits)), [1, 1, 0]);
    assert_eq!([0, 1, 2].map(|at| crowd.count(at, Stat::SharedWoken)), [1, 1, 0]);
}

#[test]
fn what_comes_with_the_doorbell_is_not_lost() {
    let mut crowd = Crowd::new(MAPPED, 2);
    let round = crowd.begin();
    let woken = crowd.answer(0, &round, until(4, &first_entries()));
    crowd.answer(1, &woken[0].1, until(7, &[lane(1, 4, &["b4"])]));
    assert_eq!(values(&crowd.told(1)), valued(&[(2, "b2"), (3, "b3"), (4, "b4")]));
}

#[test]
fn nobody_is_given_what_its_broker_does_not_allow() {
    let denied = ResponseError::TopicAuthorizationFailed.code();
    for (error, is_told_at_once) in [(denied, false), (6, true), (74, true)] {
        let mut crowd = Crowd::new(MAPPED, 2);
        let round = crowd.begin();
        let woken = crowd.answer(0, &round, until(4, &first_entries()));
        crowd.answer(1, &woken[0].1, an_error(error));
        let told =
            if is_told_at_once { crowd.told(1) } else { crowd.clients[1].told_later().into_values().next().unwrap() };
        assert_eq!((told.error_code, told.records.unwrap_or_default().len()), (error, 0));
        assert_eq!(crowd.count(1, Stat::SharedHits), 0);
    }
}

#[test]
fn nobody_is_given_what_its_broker_does_not_show_yet_or_any_more() {
    for (found, isolation) in [
        (until(3, &[]), 0),
        (until(9, &[]).with_last_stable_offset(3), 1),
        (until(9, &[]).with_log_start_offset(3), 0),
        (an_error(1), 0),
    ] {
        let mut crowd = Crowd::new(MAPPED, 2);
        let of = |partition| fetch(&[("t", partition, 0)]).with_isolation_level(isolation);
        let round = crowd.clients[0].fetch(&of(0));
        crowd.park(1, &of(2));
        let woken = crowd.answer(0, &round, until(4, &first_entries()));
        crowd.answer(1, &woken[0].1, found.clone());
        // It reads for itself.
        let round = crowd.clients[1].up();
        assert_eq!(asked(&round).0, [place("t", 0, 0)], "{found:?}");
        crowd.answer(1, &round, until(3, &[lane(1, 0, &["other"])]));
        assert_eq!(values(&crowd.told(1)), valued(&[(0, "other")]));
    }
}

#[test]
fn a_client_that_is_sent_elsewhere_is_given_nothing() {
    let mut crowd = Crowd::new(MAPPED, 2);
    let round = crowd.begin();
    let woken = crowd.answer(0, &round, until(4, &first_entries()));
    crowd.answer(1, &woken[0].1, until(4, &[]).with_preferred_read_replica(BrokerId(3)));
    let told = crowd.told(1);
    assert_eq!((told.preferred_read_replica, values(&told)), (BrokerId(3), vec![]));
}

#[test]
fn where_the_reader_leaves_or_fails_others_read() {
    // Its connection ends: one of the others reads for the rest.
    let mut crowd = Crowd::new(MAPPED, 3);
    let round = crowd.begin();
    crowd.clients[0].proxy.stream.connection.evict();
    let woken = crowd.wake();
    assert_eq!(
        woken.iter().map(|(at, round)| (*at, asked(round))).collect::<Vec<_>>(),
        [(2, (vec![place("t", 0, 0)], 500))]
    );
    let woken = crowd.answer(2, &woken[0].1, until(4, &first_entries()));
    assert_eq!(woken[0].0, 1);
    drop(round);
    // What it is told is for itself: each of the others asks.
    for found in [an_error(6), an_error(1), until(4, &[]).with_preferred_read_replica(BrokerId(3))] {
        let mut crowd = Crowd::new(MAPPED, 3);
        let round = crowd.begin();
        let woken = crowd.answer(0, &round, found);
        assert_eq!(woken.iter().map(|(at, round)| (*at, asked(round).0[0].2)).collect::<Vec<_>>(), [(1, 0), (2, 0)]);
    }
}

#[test]
fn a_wait_ends_when_the_client_said_and_when_the_reader_is_late() {
    let mut crowd = Crowd::new(MAPPED, 2);
    let _round = crowd.clients[0].fetch(&fetch(&[("t", 0, 0)]));
    crowd.park(1, &fetch(&[("t", 2, 0)]).with_max_wait_ms(100));
    crowd.pass(99);
    assert!(crowd.tick().is_empty());
    crowd.pass(1);
    let woken = crowd.tick();
    assert_eq!(asked(&woken[0].1), (vec![place("t", 0, 0)], 0), "the broker says how it is");
    crowd.answer(1, &woken[0].1, until(0, &[]));
    assert_eq!(values(&crowd.told(1)), []);
    // The reader's own wait is cut for the others' sake.
    crowd.park(1, &fetch(&[("t", 2, 0)]).with_max_wait_ms(60_000));
    crowd.pass(SHARED_WAIT_MS_MIN as u64 + SHARED_GRACE_MS);
    let woken = crowd.tick();
    assert_eq!(asked(&woken[0].1).1, SHARED_WAIT_MS_MIN, "nobody waits for it any more");
}

#[test]
fn who_comes_later_has_the_broker_prove_the_log() {
    let entries = first_entries();
    for (found, is_served) in [
        (until(9, &entries[1..]), true),
        (until(9, &[lane(1, 2, &["b2", "x3"])]), false),
        (until(9, &[]), false),
        (until(3, &entries[1..]), false),
        (an_error(1), false),
    ] {
        let mut crowd = Crowd::new(MAPPED, 3);
        let round = crowd.begin();
        let woken = crowd.answer(0, &round, until(4, &entries));
        assert_eq!(woken.len(), 2);
        crowd.pass(SHARED_FRESH_MS + 1);
        // A further connection asks at an earlier offset.
        crowd.told(0);
        let late = crowd.clients[0].fetch(&fetch(&[("t", 2, 0)]));
        assert_eq!(bell(&late), (3, entries[1].len() as i32, entries[1].len() as i32, 0), "the last entry, no more");
        crowd.answer(0, &late, found.clone());
        if is_served {
            assert_eq!(values(&crowd.told(0)), valued(&[(2, "b2"), (3, "b3")]));
        } else {
            let round = crowd.clients[0].up();
            assert_eq!(asked(&round).0, [place("t", 0, 0)], "it reads for itself: {found:?}");
        }
    }
}

#[test]
fn who_comes_back_at_once_and_finds_others_behind_needs_no_proof() {
    let mut crowd = Crowd::new(MAPPED, 3);
    let round = crowd.begin();
    crowd.answer(0, &round, until(4, &first_entries()));
    crowd.told(0);
    crowd.pass(SHARED_FRESH_MS);
    let late = crowd.clients[0].fetch(&fetch(&[("t", 2, 0)]));
    assert_eq!(bell(&late), (4, 1, 1, 0));
    crowd.answer(0, &late, until(4, &[]));
    assert_eq!(values(&crowd.told(0)), valued(&[(2, "b2"), (3, "b3")]));
}

#[test]
fn what_was_read_is_forgotten_in_time() {
    let mut crowd = Crowd::new(MAPPED, 2);
    let round = crowd.begin();
    crowd.answer(0, &round, until(4, &first_entries()));
    crowd.told(0);
    assert!(crowd.reads.stored_bytes() > 0 && crowd.reads.has_work());
    crowd.pass(SHARED_MS_MAX);
    let round = crowd.clients[0].fetch(&fetch(&[("t", 0, 0)]));
    assert_eq!(asked(&round), (vec![place("t", 0, 0)], 500));
    crowd.tick();
    assert!(crowd.reads.stored_bytes() == 0);
}

#[test]
fn only_what_is_the_same_is_shared() {
    let never = MAPPED.replacen('{', r#"{"fetch": {"share": "never"}, "#, 1);
    let plain = || fetch(&[("t", 2, 0)]);
    for (config, brokers, message) in [
        (never.as_str(), ["b1", "b1"], plain()),
        (MAPPED, ["b1", "b2"], plain()),
        (MAPPED, ["b1", "b1"], plain().with_isolation_level(1)),
        (MAPPED, ["b1", "b1"], plain().with_replica_id(BrokerId(-2))),
        (MAPPED, ["b1", "b1"], plain().with_max_wait_ms(0)),
        (MAPPED, ["b1", "b1"], fetch(&[("t", 2, 1)])),
        (MAPPED, ["b1", "b1"], fetch(&[("t", 2, 0), ("t", 4, 1)])),
        (MAPPED, ["b1", "b1"], fetch(&[("t", 2, 0), ("u", 0, 0)])),
        (MAPPED, ["b1", "b1"], fetch(&[("t", 3, 0)])),
    ] {
        let mut crowd = Crowd::at(config, &brokers);
        crowd.clients[0].fetch(&fetch(&[("t", 0, 0)]));
        let round = crowd.clients[1].fetch(&message);
        assert!(!asked(&round).0.is_empty());
    }
}

#[test]
fn a_reader_that_waits_for_much_is_waited_for_by_nobody() {
    let mut crowd = Crowd::new(MAPPED, 3);
    crowd.clients[0].fetch(&fetch(&[("t", 0, 0)]).with_min_bytes(100_000));
    let round = crowd.clients[1].fetch(&fetch(&[("t", 2, 0)]));
    let message: FetchRequest = round.message();
    assert_eq!(message.min_bytes, 1);
    // Once it is known that others read, it does not wait for much either.
    crowd.park(2, &fetch(&[("t", 4, 0)]).with_min_bytes(100_000));
}

#[test]
fn what_several_want_is_read_for_all_and_each_gets_no_more_than_it_wants() {
    let mut crowd = Crowd::new(MAPPED, 2);
    let small = |partition, offset| {
        let mut message = fetch(&[("t", partition, offset)]);
        message.topics[0].partitions[0].partition_max_bytes = 100;
        message
    };
    let round = crowd.clients[0].fetch(&small(0, 0));
    assert_eq!(bell(&round).1, 100);
    crowd.park(1, &small(2, 0));
    let woken = crowd.answer(0, &round, until(1, &[lane(0, 0, &["a"])]));
    assert_eq!(bell(&woken[0].1).1, 200, "two readers");
    let entries: Vec<Bytes> = (1..5).map(|at| lane(1, at, &["twenty bytes of text"])).collect();
    crowd.answer(1, &woken[0].1, until(5, &entries));
    assert_eq!(values(&crowd.told(1)).len(), 1, "two would be more than 100 bytes");
    let late = crowd.clients[1].fetch(&small(2, 2));
    assert_eq!(bell(&late).0, 5, "the rest was read already");
}

#[test]
fn who_is_ahead_lets_others_catch_up_for_a_moment() {
    let long = "x".repeat(1 << 20);
    let entries = |from: i64| (from..from + 4).map(|at| lane(0, at, &[&long])).collect::<Vec<_>>();
    let all = |partition, offset| fetch(&[("t", partition, offset)]).with_max_bytes(16 << 20);
    let mut crowd = Crowd::new(MAPPED, 2);
    let mut wide = all(0, 0);
    wide.topics[0].partitions[0].partition_max_bytes = 4 << 20;
    let round = crowd.clients[0].fetch(&wide);
    crowd.park(1, &all(2, 0));
    // The second one gets nothing here, and reads on at 4; the first one comes back, and waits for it.
    let woken = crowd.answer(0, &round, until(100, &entries(0)));
    crowd.clients[0].told();
    let mut ahead = all(0, 4);
    ahead.topics[0].partitions[0].partition_max_bytes = 4 << 20;
    crowd.park(0, &ahead);
    let bells = crowd.answer(1, &woken[0].1, until(100, &entries(4)));
    assert_eq!(bells[0].0, 0);
    drop(bells);
    assert!(crowd.reads.has_work());
}

#[test]
fn the_block_layout_shares_nothing_that_is_a_guess() {
    let mut crowd = Crowd::new(MAPPED, 2);
    let of = |partition| fetch(&[("b", partition, 0)]);
    let round = crowd.clients[0].fetch(&of(0));
    crowd.park(1, &of(1));
    crowd.clients[0].reply(&round, vec![("b", until(4, &[lane(0, 0, &["a"]), lane(7, 1, &["?"])]))]);
    let woken = crowd.wake();
    assert_eq!(asked(&woken[0].1).0, [place("b", 0, 0)], "it reads for itself");
}

#[test]
fn aborted_transactions_are_told_to_who_is_served_of_a_neighbour_s_read() {
    let transactional = |base_offset, value| {
        batch_of(Header { base_offset, producer_id: 7, producer_epoch: 0, attributes: 0x10, ..plain() }, &[value])
    };
    let set = [lane(1, 0, &["b0"]), transactional(1, "aborted"), marker(2, 7, false), transactional(3, "committed")];
    let aborted = AbortedTransaction::default().with_producer_id(ProducerId(7)).with_first_offset(1);
    let found = until(5, &set).with_aborted_transactions(Some(vec![aborted.clone()]));
    let of = |partition, offset| fetch(&[("t", partition, offset)]).with_isolation_level(1);
    let mut crowd = Crowd::new(MAPPED, 3);
    let round = crowd.clients[0].fetch(&of(2, 0));
    crowd.park(1, &of(0, 0));
    let woken = crowd.answer(0, &round, found);
    let ok = until(5, &[]).with_aborted_transactions(Some(vec![]));
    crowd.answer(1, &woken[0].1, ok.clone());
    let told = crowd.told(1);
    assert_eq!(told.aborted_transactions, Some(vec![aborted]));
    assert_eq!(values(&told), valued(&[(1, "aborted"), (3, "committed")]));
    // One that stands behind the marker would lose what is committed.
    let late = crowd.clients[2].fetch(&of(0, 3));
    crowd.answer(2, &late, ok.with_records(Some(set[3].clone())));
    let told = crowd.told(2);
    assert_eq!((told.aborted_transactions.clone(), values(&told)), (Some(vec![]), valued(&[(3, "committed")])));
}

#[test]
fn an_answer_that_was_long_on_its_way_is_not_for_who_came_since() {
    let mut crowd = Crowd::new(MAPPED, 3);
    let round = crowd.clients[0].fetch(&fetch(&[("t", 0, 0)]));
    crowd.pass(SHARED_FRESH_MS);
    crowd.park(1, &fetch(&[("t", 4, 0)]));
    crowd.pass(1);
    crowd.park(2, &fetch(&[("t", 4, 0)]));
    // Nothing of theirs: the one moves on, the other one has the log proven first.
    let woken = crowd.answer(0, &round, until(4, &first_entries()));
    let entry = first_entries()[1].len() as i32;
    let bells: Vec<_> = woken.iter().map(|(at, round)| (*at, bell(round))).collect();
    assert_eq!(bells[0], (2, (3, entry, entry, 0)));
    assert_eq!((bells[1].0, bells[1].1 .0), (1, 4));
    // It is another log: what was read is not told, and the client reads from where it stands.
    crowd.answer(2, &woken[0].1, until(9, &[lane(2, 3, &["new"])]));
    assert_eq!(asked(&crowd.clients[2].up()).0, [place("t", 0, 0)]);
}

#[test]
fn a_client_that_does_not_wait_is_told_by_the_broker_where_neighbours_reads_are_not_for_it() {
    for found in [until(3, &[]), until(9, &[]).with_log_start_offset(2), an_error(1)] {
        let mut crowd = Crowd::new(MAPPED, 2);
        let round = crowd.begin();
        crowd.answer(0, &round, until(4, &first_entries()));
        crowd.told(0);
        let late = crowd.clients[0].fetch(&fetch(&[("t", 2, 0)]).with_max_wait_ms(0));
        crowd.answer(0, &late, found);
        let round = crowd.clients[0].up();
        assert_eq!(asked(&round), (vec![place("t", 0, 0)], 0));
        crowd.answer(0, &round, an_error(1));
        assert_eq!(crowd.told(0).error_code, 1);
    }
}

#[test]
fn without_the_log_s_start_nothing_is_served_that_was_read_before() {
    let mut crowd = Crowd::new(MAPPED, 2);
    let round = crowd.begin();
    crowd.answer(0, &round, until(4, &first_entries()));
    crowd.told(0);
    crowd.clients[0].version = 4;
    let round = crowd.clients[0].fetch(&fetch(&[("t", 2, 0)]));
    assert_eq!(asked(&round).0, [place("t", 0, 0)]);
}

#[test]
fn who_was_away_gets_all_that_came_meanwhile() {
    let mut crowd = Crowd::new(MAPPED, 3);
    let round = crowd.begin();
    let mut woken = crowd.answer(0, &round, until(2, &[lane(0, 0, &["a0", "a1"])]));
    crowd.told(0);
    // One of the others reads, batch by batch, while the first one works.
    let mut reader = woken.remove(0);
    for offset in 2..202 {
        let answered = until(offset + 1, &[lane(0, offset, &["a"])]);
        crowd.clients[reader.0].reply(&reader.1, vec![("t", answered)]);
        reader.1 = crowd.clients[reader.0].up();
        crowd.pass(2);
    }
    let late = crowd.clients[0].fetch(&fetch(&[("t", 0, 2)]));
    assert_eq!(bell(&late).0, 201, "the last of them");
    crowd.answer(0, &late, until(202, &[lane(0, 201, &["a"])]));
    assert_eq!(values(&crowd.told(0)).len(), 200);
}

#[test]
fn who_wants_more_than_can_be_proven_at_once_reads_for_itself() {
    let mut crowd = Crowd::new(MAPPED, 3);
    let round = crowd.begin();
    let mut woken = crowd.answer(0, &round, until(2, &[lane(0, 0, &["a0", "a1"])]));
    crowd.told(0);
    let mut reader = woken.remove(0);
    for offset in 2..5 {
        crowd.clients[reader.0].reply(&reader.1, vec![("t", until(offset + 1, &[lane(0, offset, &["a"])]))]);
        reader.1 = crowd.clients[reader.0].up();
        // Long enough for another log to have been there.
        crowd.pass(SHARED_FRESH_MS + 1);
    }
    let round = crowd.clients[0].fetch(&fetch(&[("t", 0, 2)]));
    assert_eq!(asked(&round), (vec![place("t", 0, 2)], 500));
}

#[test]
fn who_reads_alone_at_its_place_reads_no_more_than_it_wants() {
    let mut crowd = Crowd::new(MAPPED, 2);
    // Its sibling stands at the end, and waits there.
    crowd.clients[1].fetch(&fetch(&[("t", 2, 90)]));
    let round = crowd.clients[0].fetch(&fetch(&[("t", 0, 0)]));
    assert_eq!(bell(&round).1, 1 << 20);
}

#[test]
fn nobody_waits_for_a_connection_that_its_broker_has_muted() {
    let mut crowd = Crowd::new(MAPPED, 2);
    let round = crowd.clients[0].fetch(&fetch(&[("t", 0, 0)]));
    let muted = FetchResponse::default().with_throttle_time_ms(1_000);
    crowd.clients[0].proxy.broker(&round.answer(&muted));
    crowd.told(0);
    crowd.clients[0].fetch(&fetch(&[("t", 0, 0)]));
    assert_eq!(asked(&crowd.clients[1].fetch(&fetch(&[("t", 2, 0)]))).0, [place("t", 0, 0)]);
}
