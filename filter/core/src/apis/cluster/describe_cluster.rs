//! DescribeCluster (KIP-700): the brokers' addresses as clients reach them.

use bytes::Bytes;
use kafka_protocol::messages::DescribeClusterResponse;

use crate::error::Fault;
use crate::exchange::handler::{Context, Next, Pending, Plan, Request};
use crate::wire::rope::Rope;
use crate::wire::shape;

/// `endpoint_type` 2 of version 1 asks for controllers (KIP-919), which a broker refuses: its answer lists nobody.
pub(crate) fn request(_cx: &mut Context<'_>, request: &Request) -> Result<Plan, Fault> {
    Ok(Plan::PassUp(Box::new(Answer { version: request.version })))
}

struct Answer {
    version: i16,
}

impl Pending for Answer {
    fn response(&mut self, cx: &mut Context<'_>, body: Bytes) -> Result<Next, Fault> {
        let mut answer: DescribeClusterResponse =
            shape::decode_answer(&shape::responses::DESCRIBE_CLUSTER, &body, self.version)
                .map_err(|_| Fault::Answer { api: "DescribeCluster", what: "it is malformed" })?;
        cx.note(answer.error_code);
        answer.brokers.retain_mut(|broker| cx.readdress(broker.broker_id.0, &mut broker.host, &mut broker.port));
        let mut out = Rope::new();
        out.put_message(&answer, self.version)?;
        Ok(Next::Answer(out))
    }
}
