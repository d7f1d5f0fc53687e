//! DescribeCluster (KIP-700): the brokers' addresses as clients reach them.

use bytes::Bytes;
use kafka_protocol::messages::DescribeClusterResponse;

use crate::error::Fault;
use crate::exchange::handler::{read_answer, Context, Next, Passing, Pending, Plan, Request};

/// `endpoint_type` 2 of version 1 asks for controllers (KIP-919), which a broker refuses: its answer lists nobody.
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
