//! One worker, some connections that read siblings of the same physical partitions, and two brokers, with
//! everything between them at random: delays, cuts, limits, pauses, seeks, clients that leave in the midst of
//! an answer, and the troubles of a cluster: logs that are cut, deleted, made again and refilled,
//! transactions open and aborted, leaders and rights that change. Each answer is judged by what the logs were
//! between its request and itself ([`judge`]); in the end everybody has everything.
//!
//! `SIMULATION_SEED` and `SIMULATION_SEEDS` in the environment say with which seed to begin, and how many to
//! run. A seed that fails prints what happened in it.

mod broker;
mod client;
mod judge;
mod link;
mod log;
mod world;

use kafka_protocol::messages::FetchResponse;

use self::broker::{other_request, Session};
use self::client::{Client, Due};
use self::judge::Told;
use self::link::Link;
use self::world::World;
use super::Site;
use crate::testing::memory::Process;
use crate::testing::{read_answer, take_frames};
use crate::worker::{Command, Side};
use crate::Millis;

const SEEDS: u64 = if cfg!(target_arch = "wasm32") { 20 } else { 150 };
/// Virtual time for which there are troubles, ms.
const TROUBLED_MS: Millis = 12_000;
/// Virtual time behind that in which everybody must have everything, ms.
const CALM_MS: Millis = 60_000;

struct Simulation {
    world: World,
    site: Site,
    clients: Vec<Client>,
    filler: String,
    next_id: u32,
    next_tick: Millis,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let count = 2 + (seed % 11) as usize;
        let mut world = World::new(seed, count);
        let config = world.config();
        let filler = ["always", "never"].into_iter().find(|mode| config.contains(&format!(r#""filler": "{mode}""#)));
        let filler = filler.unwrap_or("auto").to_owned();
        world.note(config.split_whitespace().collect::<Vec<_>>().join(" "));
        let site = Site::of(&Process::default(), &config, 1).unwrap();
        site.envoy.loses_bytes_behind_end.set(true);
        let clients = (0..count).map(|number| Client::new(number, &mut world)).collect();
        Self { world, site, clients, filler, next_id: 1, next_tick: 0 }
    }

    fn run(&mut self) {
        while self.world.now < TROUBLED_MS {
            self.world.pass_time();
            self.step();
        }
        self.world.calm_down();
        self.clients.iter_mut().for_each(Client::calm_down);
        while !self.clients.iter().all(|client| client.is_done(&self.world, &self.filler)) {
            let late: Vec<usize> = (0..self.clients.len())
                .filter(|number| !self.clients[*number].is_done(&self.world, &self.filler))
                .collect();
            let parts = || late.iter().map(|number| (number, &self.clients[*number].parts)).collect::<Vec<_>>();
            assert!(self.world.now < TROUBLED_MS + CALM_MS, "not everything was read: {:?}", parts());
            self.step();
        }
    }

    /// Everybody does something, in any order, and time goes on.
    fn step(&mut self) {
        let count = self.clients.len();
        let first = self.world.random.below(count);
        for number in (0..count).map(|n| (first + n) % count) {
            self.act(number);
            self.move_bytes(number);
            self.check(number);
        }
        self.world.now += 1 + self.world.random.below(16) as Millis;
        self.site.envoy.now.set(self.world.now);
        if self.world.now >= self.next_tick {
            self.site.tick(self.world.now).into_iter().for_each(|command| self.heed(&command));
            self.next_tick = self.world.now + self.site.period;
            self.collect();
        }
    }

    fn heed(&mut self, command: &Command) {
        if let Command::Close(id) = command {
            panic!("connection {id} is closed");
        }
    }

    fn check(&mut self, number: usize) {
        let client = &mut self.clients[number];
        // Whose stream has ended gets what can be had, and else a closed connection.
        if client.link.as_ref().is_some_and(|link| link.is_half_closed) {
            return;
        }
        let stalled_until = client.link.as_ref().map_or(0, |link| link.session.stalled_until);
        for (_, due) in &mut client.due {
            if let Due::Fetch(question) = due {
                question.check_time(&self.world, stalled_until);
            }
        }
    }
}

/// Clients.
impl Simulation {
    fn act(&mut self, number: usize) {
        let (now, is_calm) = (self.world.now, self.world.is_calm);
        let client = &mut self.clients[number];
        if client.link.is_none() {
            if now >= client.idle_until {
                self.connect(number);
            }
            return;
        }
        while client.inbox.front().is_some_and(|(at, _)| *at <= now) {
            let (_, told) = client.inbox.pop_front().unwrap();
            client.take(&mut self.world, told);
        }
        if !is_calm {
            client.fidget(&mut self.world);
            if self.world.random.once_in(400) {
                return self.leave(number);
            }
        }
        let busy = !client.due.is_empty() || !client.inbox.is_empty();
        if busy {
            if !is_calm && self.world.random.once_in(500) {
                self.half_close(number);
            }
            return;
        }
        let half_closed = client.link.as_ref().is_some_and(|link| link.is_half_closed);
        if half_closed || std::mem::take(&mut client.is_misled) {
            return self.leave(number);
        }
        if now >= client.idle_until {
            self.ask(number);
        }
    }

    fn connect(&mut self, number: usize) {
        let id = self.next_id;
        self.next_id += 1;
        let leader = *self.world.leader.now();
        let broker = if !self.world.is_calm && self.world.random.once_in(20) { 1 - leader } else { leader };
        let commands = self.site.connect(id, 9092);
        commands.iter().for_each(|command| self.heed(command));
        self.site.envoy.reaches(id, broker);
        let mut link = Link::new(id, Session::new(number, broker));
        self.world.note(format!("client {number} connects as {id} to broker {broker}"));
        if let Some(hello) = self.clients[number].hello() {
            link.up.send(&hello, None, self.world.now, &mut self.world.random);
            self.clients[number].due.push_back((0, Due::Other));
        }
        self.clients[number].link = Some(link);
    }

    fn leave(&mut self, number: usize) {
        let client = &mut self.clients[number];
        let Some(link) = client.link.take() else { return };
        client.due.clear();
        client.inbox.clear();
        let away = if self.world.is_calm { 20 } else { self.world.random.one_of(&[1, 50, 1_000]) };
        client.idle_until = self.world.now + self.world.random.below(away) as Millis;
        self.world.note(format!("client {number} leaves"));
        self.world.moment += 1;
        self.site.end(link.id);
        self.site.envoy.gone(link.id);
        self.settle();
    }

    fn half_close(&mut self, number: usize) {
        let Some(link) = self.clients[number].link.as_mut() else { return };
        if link.is_half_closed || !link.up.is_empty() {
            return;
        }
        link.is_half_closed = true;
        let id = link.id;
        self.world.note(format!("client {number} half-closes"));
        self.hand(id, &[], true);
    }

    fn ask(&mut self, number: usize) {
        let client = &mut self.clients[number];
        let broker = client.link.as_ref().unwrap().session.broker;
        let mut frames = vec![];
        if let Some((id, frame, question)) = client.fetch(&mut self.world, broker) {
            client.due.push_back((id, Due::Fetch(question)));
            frames.push((id, frame));
        }
        if self.world.random.once_in(6) {
            let id = client.next_id();
            client.due.push_back((id, Due::Other));
            frames.push((id, other_request(&mut self.world, id)));
        }
        if frames.is_empty() {
            client.idle_until = self.world.now + 100;
        }
        let link = client.link.as_mut().unwrap();
        for (id, frame) in frames {
            link.up.send(&frame, Some(id), self.world.now, &mut self.world.random);
        }
    }
}

/// Bytes.
impl Simulation {
    fn link(&mut self, number: usize) -> Option<&mut Link> {
        self.clients[number].link.as_mut()
    }

    /// Moves what has arrived by now on all ways of a client's connection.
    fn move_bytes(&mut self, number: usize) {
        let now = self.world.now;
        while let Some((bytes, ends)) = self.link(number).and_then(|link| link.up.arrived(now)) {
            self.world.moment += 1;
            let arrived = Some((self.world.moment, now));
            let ended = self.clients[number].due.iter_mut().find(|(id, _)| Some(*id) == ends);
            if let Some((_, Due::Fetch(question))) = ended {
                question.arrived = arrived;
            }
            let id = self.clients[number].link.as_ref().unwrap().id;
            self.hand(id, &bytes, false);
        }
        if let Some(link) = self.clients[number].link.as_mut() {
            while let Some((bytes, _)) = link.across.arrived(now) {
                link.session.take_bytes(&bytes);
            }
            if !self.world.is_calm && self.world.random.once_in(600) {
                let stall = self.world.random.one_of(&[100, 1_000, 5_000]);
                link.session.stalled_until = now + stall;
                self.world.note(format!("broker stalls client {number} for {stall} ms"));
            }
            while let Some(answer) = link.session.serve(&mut self.world) {
                self.world.moment += 1;
                link.back.send(&answer, None, now, &mut self.world.random);
            }
        }
        while let Some((bytes, _)) = self.link(number).and_then(|link| link.back.arrived(now)) {
            self.world.moment += 1;
            let id = self.clients[number].link.as_ref().unwrap().id;
            self.site.broker(id, &bytes);
            self.settle();
        }
        let Some(link) = self.link(number) else { return };
        let is_over = link.is_half_closed && link.session.is_idle() && link.across.is_empty() && link.back.is_empty();
        if is_over && self.clients[number].inbox.is_empty() {
            let id = self.clients[number].link.as_ref().unwrap().id;
            if self.site.envoy.end_at_broker(id) {
                // The broker closes.
                self.leave(number);
            }
        }
    }

    /// Hands bytes of a client to the filter.
    fn hand(&mut self, id: u32, bytes: &[u8], ends: bool) {
        let Site { worker, envoy, handles, .. } = &self.site;
        envoy.client(id, bytes, ends, |len, ends| worker.client_data(&handles[&id], envoy, len, ends));
        self.site.settle();
        self.settle();
    }

    /// Connections that a call for another one woke go on behind it.
    fn settle(&mut self) {
        self.site.envoy.timer(|| ());
        for command in self.site.take() {
            self.heed(&command);
        }
        self.collect();
    }

    /// Takes what the filter has written.
    fn collect(&mut self) {
        let now = self.world.now;
        for number in 0..self.clients.len() {
            let client = &mut self.clients[number];
            let Some(link) = client.link.as_mut() else { continue };
            let up = self.site.envoy.take(link.id, Side::Client);
            link.across.send(&up, None, now, &mut self.world.random);
            link.answers.extend(self.site.envoy.take(link.id, Side::Broker));
            for frame in take_frames(&mut link.answers) {
                let (id, due) = client.due.pop_front().expect("an answer to nothing");
                assert_eq!(frame[..4], id.to_be_bytes(), "client {number} gets answers out of their order");
                // Some clients get to an answer late, which nobody can tell.
                let wait = self.world.random.one_of(&[1, 1, 30]);
                let at = now + self.world.random.below(wait) as Millis;
                let Due::Fetch(question) = due else { continue };
                let (_, answer): (_, FetchResponse) = read_answer(&frame, question.version);
                let told = question.judge(&self.world, &answer);
                self.world.note(format!("client {number} is answered {id}: {told:?}"));
                let told: Vec<(_, Told)> = question.asked.into_iter().zip(told).collect();
                client.inbox.push_back((at, told));
            }
        }
    }
}

#[test]
fn every_answer_is_true_and_everybody_gets_everything() {
    let variable = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let first = variable("SIMULATION_SEED").unwrap_or(0);
    let count = variable("SIMULATION_SEEDS").unwrap_or(SEEDS);
    (first..first + count).for_each(|seed| Simulation::new(seed).run());
}
