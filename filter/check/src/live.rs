//! `check --bootstrap`: the configuration's mapping beside a live cluster. Only `--probe` writes anything.

mod acls;
mod brokers;
mod groups;
pub(crate) mod growth;
mod lanes;
mod offsets;
mod probe;
mod remapper;
mod settings;
mod topics;

use kafka_partition_remapper_core::config::Config;
use kafka_partition_remapper_core::topics::TopicRegistry;

use crate::net::cluster::Cluster;
use crate::net::connection::Access;
use crate::net::login::Login;
use crate::net::transport::Tls;
use crate::net::Trouble;
use crate::options::Live;
use crate::options::Options;
use crate::progress::Progress;
use crate::report::{counted, name, Level, Report, Section};
use crate::{Failure, Output};

/// What all checks need.
pub(crate) struct Checker<'a> {
    pub(crate) config: &'a Config,
    pub(crate) registry: TopicRegistry,
    pub(crate) cluster: Cluster,
    pub(crate) report: Report,
    pub(crate) progress: Progress,
    /// host:port that commands in the report name.
    pub(crate) bootstrap: String,
}

impl Checker<'_> {
    /// Most lanes that a topic has; with 1 there are no shadow groups.
    fn lanes_max(&self) -> u32 {
        self.registry.lanes_max()
    }

    /// Takes what could not be asked as a finding.
    fn settle(&mut self, section: Section, result: Result<(), Trouble>) {
        if let Err(trouble) = result {
            self.report.add(section, Level::Unknown, trouble.what);
        }
    }
}

/// `brokers_known` looks at the ids of the cluster's brokers.
pub(crate) fn run(
    config: &Config,
    options: &Options,
    live: &Live,
    brokers_known: &dyn Fn(&[i32], &mut Report),
) -> Result<Output, Failure> {
    let progress = Progress::start();
    let shown: Vec<String> = live.bootstrap.iter().map(ToString::to_string).collect();
    let bootstrap = shown.join(",");
    progress.step(format!("connecting to {bootstrap}"));
    let (access, identity) = access(config, live)?;
    let cannot_tell = |trouble: Trouble| Failure::Unknown(trouble.what);
    let (cluster, mut first, metadata) = Cluster::open(&live.bootstrap, access).map_err(cannot_tell)?;
    if remapper::is_there(&mut first).map_err(cannot_tell)? {
        let problem = format!("{bootstrap} is a partition remapper's address: what it shows are virtual partitions");
        return Err(Failure::Unknown(format!("{problem}. Name the brokers themselves")));
    }
    // Brokers by their own addresses from here on: clients come by these, too.
    drop(first);
    let registry = TopicRegistry::new(&config.mapping);
    let mut checker = Checker { config, registry, cluster, report: Report::default(), progress, bootstrap };
    let mut topics = topics::listed(&mut checker, &metadata);
    let head = head(&checker, metadata.topics.len(), topics.len(), &identity);

    brokers_known(&checker.cluster.brokers(), &mut checker.report);
    topics::check(&mut checker, &mut topics);
    brokers::check(&mut checker);
    if checker.lanes_max() > 1 {
        let groups = groups::check(&mut checker);
        acls::check(&mut checker, &groups);
    }
    lanes::check(&mut checker, &topics, live.sample_bytes);
    for (topic, number) in &options.growth {
        growth::check(&config.mapping, &checker.registry, topic, *number, &mut checker.report);
        topics::grows(&mut checker, topic);
    }
    if live.probe {
        probe::check(&mut checker, live.probe_topic.as_deref());
    }
    Ok(Output { text: checker.report.text(&head), code: checker.report.exit_code() })
}

/// How to reach brokers, and a word on who the tool is there.
fn access(config: &Config, live: &Live) -> Result<(Access, String), Failure> {
    let tls = live.tls.as_ref().map(Tls::new).transpose().map_err(Failure::Refused)?;
    let by_config = config.upstream.as_ref().and_then(|upstream| Some((upstream.mechanism, upstream.account.clone()?)));
    let (login, source) = match (&live.login, by_config) {
        (Some((mechanism, account)), _) => (Some((*mechanism, account.clone())), ""),
        // The filter's own rights are what counts in the end.
        (None, Some(login)) => (Some(login), ", as the configuration's upstream.sasl has it"),
        (None, None) => (None, ""),
    };
    let identity = match &login {
        Some((mechanism, account)) => format!(", as {} by {}{source}", name(&account.username), mechanism.name()),
        None => String::new(),
    };
    let login = login.map(|(mechanism, account)| Login::new(mechanism, account)).transpose();
    let login = login.map_err(Failure::Refused)?;
    Ok((Access { tls, login, answer_time: live.answer_time }, identity))
}

fn head(checker: &Checker<'_>, topics: usize, mapped: usize, identity: &str) -> String {
    let brokers = counted(checker.cluster.brokers().len(), "broker");
    let (id, bootstrap) = (name(&checker.cluster.id), &checker.bootstrap);
    format!("cluster {id} at {bootstrap}{identity}: {brokers}, {}, {mapped} of them mapped", counted(topics, "topic"))
}
