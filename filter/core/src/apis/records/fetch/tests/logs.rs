//! One worker, many connections, and logs that are cut and made again between any two Fetches, at random.
//! Whatever a client asks for, nothing of its own may be missing in what it is moved past; and who asks for
//! one position again and again gets what lies behind it.

use super::*;
use crate::testing::broker::{Broker, Log, Session};
use crate::testing::Random;

const SEEDS: u64 = if cfg!(target_arch = "wasm32") { 20 } else { 100 };
const STEPS: usize = 120;
const LANES: i64 = 4;

struct Link {
    client: Client,
    session: Session,
}

struct World {
    random: Random,
    shared: Rc<Shared>,
    broker: Broker,
    /// What the current log holds: offset, lane, value.
    written: Vec<(i64, i64, String)>,
    now: u64,
    values: usize,
    links: Vec<Link>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let filler = random.one_of(&["never", "always"]);
        let config = format!(
            r#"{{"mapping": {{"topics": [{{"name": "t", "virtual_partitions": {LANES}, "physical_partitions": 1}}]}},
                "fetch": {{"filler": "{filler}"}}}}"#
        );
        let broker = Broker::new(&[("t", 1)]);
        Self { random, shared: shared(&config), broker, written: vec![], now: 0, values: 0, links: vec![] }
    }

    /// A batch; long runs of one lane are likely.
    fn append(&mut self) {
        let of = if self.random.once_in(4) { self.random.below(LANES as usize) as i64 } else { 0 };
        let values: Vec<String> = (0..1 + self.random.below(3))
            .map(|_| {
                self.values += 1;
                // Logs of equal values, of which only the times differ, are likely too.
                if self.values.is_multiple_of(2) {
                    format!("{}", self.values)
                } else {
                    "x".to_owned()
                }
            })
            .collect();
        let borrowed: Vec<&str> = values.iter().map(String::as_str).collect();
        let stamped = Header { base_timestamp: self.now as i64, max_timestamp: self.now as i64, ..plain() };
        let header = if of == 0 { stamped } else { Header { producer_id: -2 - of, producer_epoch: 0, ..stamped } };
        let base = self.broker.log("t", 0).unwrap().append(&batch_of(header, &borrowed));
        self.written.extend(values.into_iter().enumerate().map(|(n, value)| (base + n as i64, of, value)));
    }

    /// The topic is deleted and made again, and filled at once to about where it was.
    fn make_again(&mut self) {
        let end = self.broker.log("t", 0).unwrap().end;
        *self.broker.log("t", 0).unwrap() = Log::default();
        self.written.clear();
        let end = [0, end, end + 5, end / 2][self.random.below(4)];
        while self.broker.log("t", 0).unwrap().end < end {
            self.append();
        }
    }

    fn link(&mut self) -> usize {
        if self.links.len() < 4 || self.random.once_in(5) {
            let client = Client::of(&self.shared);
            self.links.push(Link { client, session: Session::default() });
        }
        self.random.below(self.links.len())
    }

    /// One Fetch; gives what was told.
    fn fetch(&mut self, partitions: &[(i32, i64)], max_wait: i32) -> BTreeMap<(String, i32), PartitionData> {
        let at = self.link();
        let link = &mut self.links[at];
        link.client.version = self.random.one_of(&[4, 11, 12]);
        let named: Vec<_> = partitions.iter().map(|(partition, position)| ("t", *partition, *position)).collect();
        let mut message =
            fetch(&named).with_max_wait_ms(max_wait).with_max_bytes(self.random.one_of(&[1, 300, 1 << 20]));
        let bytes = self.random.one_of(&[1, 300, 1 << 20]);
        message.topics.iter_mut().for_each(|topic| topic.partitions[0].partition_max_bytes = bytes);
        link.client.proxy.now = self.now;
        link.client.proxy.client(&request(link.client.version, 9, &message));
        loop {
            let up = std::mem::take(&mut link.client.proxy.up);
            let answers = self.broker.serve(&mut link.session, &up, self.now);
            link.client.proxy.now = self.now;
            link.client.proxy.broker(&answers);
            if !link.client.proxy.down.is_empty() {
                return link.client.told();
            }
            self.now += 10;
        }
    }

    fn check(&mut self, seed: u64) -> bool {
        let mut partitions: Vec<(i32, i64)> = vec![];
        let end = self.broker.log("t", 0).unwrap().end;
        for partition in 0..LANES as i32 {
            if partitions.is_empty() || self.random.once_in(3) {
                let position = if self.random.once_in(2) { 0 } else { self.random.below(end as usize + 1) as i64 };
                partitions.push((partition, position));
            }
        }
        let wait = self.random.one_of(&[0, 30]);
        let told = self.fetch(&partitions, wait);
        let mut came = false;
        for (partition, position) in partitions {
            let data = &told[&key("t", partition)];
            let (records, moved) = read(data.records.as_deref().unwrap());
            let records: Vec<_> = records.into_iter().filter(|(offset, _)| *offset >= position).collect();
            let passed = position..moved.unwrap_or(position);
            let own = |(offset, of, _): &&(i64, i64, String)| *of == i64::from(partition) && passed.contains(offset);
            let expected: Vec<_> = self.written.iter().filter(own).map(|(n, _, value)| (*n, value.clone())).collect();
            assert_eq!(records, expected, "seed {seed}, partition {partition} from {position}");
            came |= !records.is_empty();
        }
        came
    }
}

fn run(seed: u64) -> usize {
    let mut world = World::new(seed);
    let mut came = 0;
    for _ in 0..STEPS {
        world.now += world.random.one_of(&[1, 1, 40, 11_000]);
        match world.random.below(12) {
            0 => world.make_again(),
            1..=4 => (0..1 + world.random.below(6)).for_each(|_| world.append()),
            _ => came += usize::from(world.check(seed)),
        }
    }
    // Who insists on one position gets what lies behind it.
    for partition in 0..LANES as i32 {
        let first = world.written.iter().find(|(_, of, _)| *of == i64::from(partition)).map(|(offset, ..)| *offset);
        let got = |world: &mut World| {
            let told = world.fetch(&[(partition, 0)], 0);
            let (records, _) = read(told[&key("t", partition)].records.as_deref().unwrap());
            records.first().map(|(offset, _)| *offset)
        };
        let found = (0..3 * STEPS).find_map(|_| got(&mut world));
        assert_eq!(found, first, "seed {seed}, partition {partition}");
    }
    came
}

#[test]
fn nothing_is_passed_over_whatever_becomes_of_the_log() {
    let came: usize = (0..SEEDS).map(run).sum();
    assert!(came > 10 * SEEDS as usize, "{came} Fetches brought something");
}
