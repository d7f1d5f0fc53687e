//! What strangers can make a worker do with passwords, and what outlives that.
use super::*;
use crate::limits::{QUEUED_ITERATIONS_MAX, SCRAM_ITERATIONS_MAX};
use crate::sasl::vault::Vault;
use crate::testing::Random;

fn users() -> [User; 3] {
    [
        by_password("alice"),
        by_credentials("bob", Hash::Sha256, 16, 4096),
        by_credentials("dear", Hash::Sha512, 16, SCRAM_ITERATIONS_MAX),
    ]
}

fn queued(store: &Store, name: &str, password: &str) -> Option<Rc<Job>> {
    match store.check_plain(name, password) {
        PasswordCheck::Later(job) => Some(job),
        PasswordCheck::Full => None,
        PasswordCheck::Known(verdict) => panic!("{name}, {password}: {verdict} at once"),
    }
}

#[test]
fn a_name_that_is_known_waits_as_long_as_one_that_is_not() {
    let store = ready(&[by_password("alice"), by_credentials("bob", Hash::Sha256, 16, 4096)]);
    let pieces = |name: &str, password: &str| {
        let job = queued(&store, name, password).unwrap();
        let pieces = work_off(&store);
        assert_eq!(job.verdict(), Some(false));
        pieces
    };
    assert!(check(&store, "bob", "bob!"), "has logged in here before");
    for name in ["alice", "bob", "carol", "dave"] {
        assert_eq!([pieces(name, "wrong"), pieces(name, "wrong")], [16, 16], "{name}");
    }
}

#[test]
fn the_queue_is_bounded_fair_and_left_by_who_goes() {
    let store = ready(&users());
    let full = QUEUED_ITERATIONS_MAX as usize / 4096;
    let jobs: Vec<Rc<Job>> = (0..full).map_while(|number| queued(&store, "alice", &number.to_string())).collect();
    assert_eq!(jobs.len(), full);
    assert!(queued(&store, "alice", "another").is_none() && queued(&store, "bob", "bob!").is_none());
    assert!(Rc::ptr_eq(&queued(&store, "alice", "7").unwrap(), &jobs[7]), "who asks the same takes no place");
    let mut verdicts = vec![];
    while store.has_work() {
        store.work();
        let judged: Vec<bool> = jobs.iter().map(|job| job.verdict().is_some()).collect();
        verdicts.push(judged.iter().filter(|judged| **judged).count());
        assert!(judged.is_sorted_by(|left, right| left >= right), "first come, first served");
    }
    assert_eq!(verdicts.len(), full * 16);
    let waiting: Vec<_> = (0..full).map_while(|number| queued(&store, "carol", &number.to_string())).collect();
    assert!(queued(&store, "bob", "bob!").is_none());
    drop(waiting);
    let job = queued(&store, "bob", "bob!").unwrap();
    assert_eq!((work_off(&store), job.verdict()), (16, Some(true)), "nothing is done for who has gone");
}

#[test]
fn good_verdicts_outlive_floods_of_bad_ones() {
    let store = ready(&users());
    assert!(check(&store, "bob", "bob!") && check(&store, "dear", "dear!"));
    let mut random = Random::new(1);
    let mut waiting = vec![];
    for number in 0..2_000 {
        let name = ["alice", "bob", "dear", "nobody", "else"][random.below(5)];
        waiting.extend(queued(&store, name, &format!("wrong {number}")));
        (0..random.below(2)).for_each(|_| store.work());
        if random.once_in(50) {
            waiting.clear();
        }
    }
    assert!(store.queue.len() <= QUEUED_ITERATIONS_MAX as usize / 4096 && store.right.borrow().len() == 2);
    for name in ["bob", "dear"] {
        assert!(matches!(store.check_plain(name, &format!("{name}!")), PasswordCheck::Known(true)), "{name}");
    }
}

#[test]
fn who_waits_for_derivation_and_who_for_a_verdict_take_turns() {
    let store = store(&[by_password("alice"), by_credentials("bob", Hash::Sha256, 16, 4096)]);
    let job = queued(&store, "bob", "bob!").unwrap();
    (0..32).for_each(|_| store.work());
    assert_eq!((job.verdict(), store.is_ready(Hash::Sha256) || store.is_ready(Hash::Sha512)), (Some(true), true));
}

/// Workers of a process over one vault.
struct Process(Vault);

impl Process {
    fn begin(&mut self, users: &[User], number: u8) -> Store {
        let store = worker(users, number, &Mechanism::ALL);
        store.exchange(&mut self.0);
        store
    }
}

#[test]
fn what_one_worker_has_done_no_other_does_again() {
    let (mut process, users) = (Process(Vault::default()), users());
    let one = process.begin(&users, 1);
    assert!(one.has_work() && !one.has_news());
    assert!(check(&one, "bob", "bob!") && one.has_news());
    one.exchange(&mut process.0);
    assert!(!one.has_news());
    process.0 = Vault::read(&process.0.write());
    let (count, ()) = derivations(|| {
        let other = process.begin(&users, 2);
        assert!(!other.has_work());
        assert!(matches!(other.check_plain("bob", "bob!"), PasswordCheck::Known(true)));
        for hash in HASHES {
            let [mine, theirs] = [&one, &other].map(|store| scram(store, "alice", hash).credentials);
            assert!(mine == theirs);
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn workers_share_the_work() {
    let mut process = Process(Vault::default());
    let users: Vec<User> = (0..10).map(|number| by_password(&format!("user-{number}"))).collect();
    let stores = [1, 2].map(|number| process.begin(&users, number));
    let (count, ()) = derivations(|| {
        while stores.iter().any(Store::has_work) {
            for store in &stores {
                (0..16).for_each(|_| store.work());
                store.exchange(&mut process.0);
            }
        }
    });
    assert!(count <= 24, "{count} derivations for 20 credentials");
}

#[test]
fn a_password_that_was_changed_leaves_nothing_and_opens_nothing() {
    let (mut process, users) = (Process(Vault::default()), users());
    let before = process.begin(&users, 1);
    assert!(check(&before, "bob", "bob!"));
    before.exchange(&mut process.0);
    let entries = |process: &Process| process.0.write().len();
    let full = entries(&process);
    let changed = [
        User { password: Some(secret("new")), ..by_password("alice") },
        User { name: "bob".to_owned(), ..by_credentials("bobby", Hash::Sha256, 16, 4096) },
        users[2].clone(),
    ];
    let after = worker(&changed, 3, &Mechanism::ALL);
    after.tidy(&mut process.0);
    assert!(entries(&process) < full / 10, "nothing is left of alice's and bob's");
    after.exchange(&mut process.0);
    assert!(!check(&after, "bob", "bob!") && check(&after, "bob", "bobby!"));
    assert!(check(&after, "alice", "new!") && !check(&after, "alice", "alice!"));
    let derived = scram(&after, "alice", Hash::Sha256).credentials;
    assert!(*derived == Credentials::derive(Hash::Sha256, "new!", &derived.salt, SCRAM_ITERATIONS_MIN));
}
