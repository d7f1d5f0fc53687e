//! A process in which connections come and go, under configurations that follow each other.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use kafka_partition_remapper_core::fingerprint::Fingerprint;
use kafka_partition_remapper_core::memory::generations::Generations;
use kafka_partition_remapper_core::memory::placements::Placements;
use kafka_partition_remapper_core::Shared;

use super::held::Held;
use super::CASES;
use crate::bounds::live;
use crate::targets::oauth_token::NOW;

/// Connections that are open at a time.
const OPEN_MAX: usize = 3;

/// One configuration in one worker.
struct Plugin {
    case: usize,
    shared: Rc<Shared>,
    fingerprint: Fingerprint,
}

pub(super) struct World {
    clock: Rc<Cell<u64>>,
    /// Bytes that are alive in the worker's memory, as its connections are told.
    alive: Rc<Cell<usize>>,
    plugins: Vec<Plugin>,
    /// Which of them new connections come to.
    current: usize,
    /// Connections, and of which plugin each is; the first is the one that the next operations are for.
    connections: Vec<(usize, Held)>,
    /// What workers share: a vault, placements, generations, and the broker's versions.
    vault: Vec<u8>,
    placements: Vec<u8>,
    generations: Vec<u8>,
    versions: Option<Bytes>,
    live_before: i64,
    /// What came in through connections that are gone, bytes.
    given_before: usize,
    opened: usize,
}

impl World {
    pub(super) fn new(case: usize, choice: u8) -> Self {
        let mut world = Self {
            clock: Rc::new(Cell::new(NOW)),
            alive: Rc::default(),
            plugins: vec![],
            current: 0,
            connections: vec![],
            vault: vec![],
            placements: vec![],
            generations: vec![],
            versions: None,
            live_before: live(),
            given_before: 0,
            opened: 0,
        };
        world.configure(case);
        world.open(choice);
        world
    }

    /// The connection that the next operation is for.
    pub(super) fn connection(&mut self) -> Option<&mut Held> {
        self.connections.first_mut().map(|(_, held)| held)
    }

    /// Operations go on with the connection that was left alone longest.
    pub(super) fn switch(&mut self) {
        if !self.connections.is_empty() {
            self.connections.rotate_left(1);
        }
    }

    /// Another configuration is in force, or one of before again.
    pub(super) fn configure(&mut self, case: usize) {
        let before = live();
        let known = self.plugins.iter().position(|plugin| plugin.case == case);
        self.current = known.unwrap_or(self.plugins.len());
        if known.is_none() {
            let alive = Rc::clone(&self.alive);
            let shared = CASES[case].shared(case, Box::new(move || alive.get()));
            self.plugins.push(Plugin { case, shared, fingerprint: Fingerprint::of(CASES[case].json) });
        }
        let (now, plugin) = (self.clock.get(), &self.plugins[self.current]);
        let mut placements = Placements::read(&self.placements);
        placements.accept(&plugin.shared.config.mapping, now).expect("the mappings do not contradict each other");
        self.placements = placements.write();
        let mut generations = Generations::read(&self.generations);
        generations.loaded(plugin.fingerprint, now);
        self.generations = generations.write();
        self.vault = plugin.shared.begin_with(&self.vault, plugin.fingerprint, now).0;
        // A configuration takes what it takes; what connections do with it is for `check`.
        self.live_before += live() - before;
    }

    /// A new connection, under the configuration that is in force.
    pub(super) fn open(&mut self, choice: u8) {
        while self.connections.len() >= OPEN_MAX {
            self.switch();
            self.gone();
        }
        let plugin = &self.plugins[self.current];
        let mut generations = Generations::read(&self.generations);
        generations.connected(plugin.fingerprint, self.clock.get());
        self.generations = generations.write();
        let case = &CASES[plugin.case];
        let held = Held::new(Rc::clone(&plugin.shared), case, choice, &self.clock, self.versions.clone());
        self.connections.insert(0, (self.current, held));
        self.opened += 1;
    }

    /// The connection goes away.
    pub(super) fn gone(&mut self) {
        if let Some((_, held)) = self.connections.first_mut() {
            held.gone();
        }
        self.sweep();
    }

    /// The worker's memory is full, or empty again.
    pub(super) fn fill(&mut self, is_full: bool) {
        let most = self.plugins[self.current].shared.config.limits.worker_bytes;
        self.alive.set(if is_full { most } else { 0 });
    }

    pub(super) fn pass_time(&mut self, ms: u64) {
        self.clock.set(self.clock.get() + ms);
        self.tick();
    }

    /// The worker's timer: what is due happens, on all connections.
    fn tick(&mut self) {
        let generations = Generations::read(&self.generations);
        for (plugin, held) in &mut self.connections {
            let fingerprint = self.plugins[*plugin].fingerprint;
            if generations.outdated_since(fingerprint, self.clock.get()).is_some() {
                held.retire();
            }
            held.tick();
        }
        for plugin in &self.plugins {
            if plugin.shared.has_news() {
                self.vault = plugin.shared.exchange_with(&self.vault);
            }
        }
        self.sweep();
    }

    /// What must hold after every step, of all connections and of the memory that they take.
    pub(super) fn check(&mut self) {
        self.connections.iter().for_each(|(_, held)| held.check());
        let given = self.given_before + self.connections.iter().map(|(_, held)| held.given()).sum::<usize>();
        let held = usize::try_from(live() - self.live_before).unwrap_or(0);
        assert!(held <= 32 * given + self.opened * (64 << 10), "{held} bytes alive for {given}");
        self.sweep();
    }

    /// Takes out what is closed.
    fn sweep(&mut self) {
        for (_, held) in &mut self.connections {
            if held.is_retired() && !held.is_closed() {
                held.gone();
            }
            self.versions = held.versions().or(self.versions.take());
            if held.is_closed() {
                held.end();
                self.given_before += held.given();
            }
        }
        self.connections.retain(|(_, held)| !held.is_closed());
    }

    /// Everybody waits until all is answered; then everything ends.
    pub(super) fn end(mut self) {
        self.alive.set(0);
        self.connections.iter_mut().for_each(|(_, held)| held.settle());
        self.check();
        self.connections.iter_mut().for_each(|(_, held)| held.end());
    }
}
