//! A cluster: a connection to each broker that is asked, made when it is first needed.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use kafka_partition_remapper_core::brokers::address::Address;
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse};
use kafka_protocol::protocol::Request;
use kafka_protocol::ResponseError;

use super::connection::{Access, Connection};
use super::Trouble;
use crate::limits::READY_MS;

/// Names topics in all its versions up to this one.
pub(crate) const METADATA_VERSION: i16 = 12;

/// What a coordinator says that will know soon.
const LOADING: [ResponseError; 2] = [ResponseError::CoordinatorLoadInProgress, ResponseError::CoordinatorNotAvailable];

pub(crate) struct Cluster {
    access: Access,
    /// Where brokers say they are, by id.
    brokers: BTreeMap<i32, (String, u16)>,
    connections: HashMap<i32, Connection>,
    /// Brokers that could not be reached are not tried again: each try may take seconds.
    unreachable: HashMap<i32, Trouble>,
    pub(crate) id: String,
}

impl Cluster {
    /// Connects to the first of `bootstrap` that answers, and learns the brokers. The topics that it tells
    /// are returned as well.
    pub(crate) fn open(bootstrap: &[Address], access: Access) -> Result<(Self, Connection, MetadataResponse), Trouble> {
        let mut troubles = vec![];
        for address in bootstrap {
            let opened = Connection::open(&address.host, address.port, &access);
            let asked = opened.and_then(|mut connection| {
                let topics = all_topics(&mut connection).map_err(|trouble| hinted(trouble, &access))?;
                Ok((topics, connection))
            });
            match asked {
                Ok((metadata, connection)) => {
                    let mut cluster = Self {
                        access,
                        brokers: BTreeMap::new(),
                        connections: HashMap::new(),
                        unreachable: HashMap::new(),
                        id: metadata.cluster_id.as_ref().map(ToString::to_string).unwrap_or_default(),
                    };
                    cluster.learn(&metadata);
                    return Ok((cluster, connection, metadata));
                }
                Err(trouble) => troubles.push(trouble.what),
            }
        }
        Err(Trouble::new(troubles.join("\n")))
    }

    pub(crate) fn learn(&mut self, metadata: &MetadataResponse) {
        let brokers = metadata.brokers.iter();
        let known = brokers
            .filter_map(|broker| Some((broker.node_id.0, (broker.host.to_string(), u16::try_from(broker.port).ok()?))));
        self.brokers.extend(known);
    }

    pub(crate) fn brokers(&self) -> Vec<i32> {
        self.brokers.keys().copied().collect()
    }

    /// Asks one broker. A connection that was lost, as those are whose session has ended, is made anew once.
    pub(crate) fn ask<R: Request>(
        &mut self,
        broker: i32,
        most: i16,
        message: impl Fn(i16) -> R,
    ) -> Result<R::Response, Trouble> {
        let is_new = !self.connections.contains_key(&broker);
        match self.connection(broker)?.ask(most, &message) {
            Err(trouble) if trouble.is_lost => {
                self.connections.remove(&broker);
                if is_new {
                    return Err(trouble);
                }
                self.connection(broker)?.ask(most, &message)
            }
            other => other,
        }
    }

    /// Asks again while a coordinator is loading or moving, which takes seconds after a broker's start.
    pub(crate) fn ask_coordinator<R: Request>(
        &mut self,
        broker: i32,
        most: i16,
        message: impl Fn(i16) -> R,
        code: impl Fn(&R::Response) -> i16,
    ) -> Result<R::Response, Trouble> {
        let end = Instant::now() + Duration::from_millis(READY_MS);
        loop {
            let answer = self.ask(broker, most, &message)?;
            if !LOADING.map(|error| error.code()).contains(&code(&answer)) || Instant::now() > end {
                return Ok(answer);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Asks the first broker that can be reached.
    pub(crate) fn ask_any<R: Request>(
        &mut self,
        most: i16,
        message: impl Fn(i16) -> R,
    ) -> Result<R::Response, Trouble> {
        let broker = self.any()?;
        self.ask(broker, most, message)
    }

    /// The first broker that can be reached.
    pub(crate) fn any(&mut self) -> Result<i32, Trouble> {
        let mut last = Trouble::new("the cluster names no broker");
        for broker in self.brokers() {
            match self.connection(broker) {
                Ok(_) => return Ok(broker),
                Err(trouble) => last = trouble,
            }
        }
        Err(last)
    }

    pub(crate) fn connection(&mut self, broker: i32) -> Result<&mut Connection, Trouble> {
        use std::collections::hash_map::Entry;
        if let Some(trouble) = self.unreachable.get(&broker) {
            return Err(trouble.clone());
        }
        let place = match self.connections.entry(broker) {
            Entry::Occupied(open) => return Ok(open.into_mut()),
            Entry::Vacant(place) => place,
        };
        let known = self.brokers.get(&broker);
        let (host, port) = known.ok_or_else(|| Trouble::new(format!("broker {broker} is not in the metadata")))?;
        match Connection::open(host, *port, &self.access) {
            Ok(connection) => Ok(place.insert(connection)),
            Err(trouble) => {
                let trouble = Trouble::new(format!("broker {broker}: {trouble}"));
                self.unreachable.insert(broker, trouble.clone());
                Err(trouble)
            }
        }
    }
}

/// A broker ends a connection on which anything but a login comes first, if it wants one.
fn hinted(trouble: Trouble, access: &Access) -> Trouble {
    if trouble.is_lost && access.login.is_none() {
        return Trouble::lost(format!("{trouble}; does this listener want a login (--sasl-username)?"));
    }
    trouble
}

/// All topics of the cluster that may be seen. Creates none.
fn all_topics(connection: &mut Connection) -> Result<MetadataResponse, Trouble> {
    let request = |_| MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(false);
    connection.ask(METADATA_VERSION, &request)
}

/// A broker's id, `None` where there is none.
pub(crate) fn leader(id: BrokerId) -> Option<i32> {
    (id.0 >= 0).then_some(id.0)
}
