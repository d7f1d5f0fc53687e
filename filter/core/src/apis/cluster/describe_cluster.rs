//! DescribeCluster (KIP-700): the brokers' addresses as clients reach them.

use bytes::Bytes;
use kafka_protocol::messages::DescribeClusterResponse;

use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request};

/// `endpoint_type` 2 of version 1 asks for controllers (KIP-919), which a broker refuses: its answer lists
/// nobody.
pub(crate) fn request(_cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    Ok(Plan::Pass(Passing::Read(Box::new(Answer { version: request.version }))))
}

struct Answer {
    version: i16,
}

impl Pending for Answer {
    fn response(self: Box<Self>, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let mut answer: DescribeClusterResponse = read_answer(&body, self.version)?;
        cx.note(answer.error_code);
        answer.brokers.retain_mut(|broker| cx.readdress(broker.broker_id.0, &mut broker.host, &mut broker.port));
        Next::answer(&answer, self.version)
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
    use kafka_protocol::messages::*;

    use crate::testing::broker::BROKERS;
    use crate::testing::{ask, text, ADVERTISED, MAPPED};

    #[test]
    fn a_cluster_is_described_by_the_brokers_that_clients_reach() {
        for version in 0..=2 {
            let broker = |id: &i32| {
                DescribeClusterBroker::default().with_broker_id(BrokerId(*id)).with_host(text("inside")).with_port(1)
            };
            let found = DescribeClusterResponse::default()
                .with_cluster_id(text("c"))
                .with_controller_id(BrokerId(2))
                .with_brokers(BROKERS.iter().map(broker).collect());
            let (_, told) = ask(MAPPED, version, &DescribeClusterRequest::default(), |seen| seen.answer(&found));
            let brokers: Vec<_> =
                told.brokers.iter().map(|broker| (broker.broker_id.0, broker.host.as_str(), broker.port)).collect();
            assert_eq!(brokers, ADVERTISED, "v{version}");
            assert_eq!((told.cluster_id.as_str(), told.controller_id.0), ("c", 2));
        }
    }
}
