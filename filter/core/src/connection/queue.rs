//! A connection's exchanges, in the order of their requests: brokers answer in that order.

use std::collections::VecDeque;

use crate::exchange::handler::Exchange;

#[derive(Default)]
pub(super) struct Queue(VecDeque<Exchange>);

impl Queue {
    pub(super) fn push(&mut self, exchange: Exchange) {
        self.0.push_back(exchange);
    }

    /// The exchange that the broker's next answer is for.
    pub(super) fn oldest(&self) -> Option<&Exchange> {
        self.0.front()
    }

    pub(super) fn take_oldest(&mut self) -> Option<Exchange> {
        self.0.pop_front()
    }

    /// The exchange that was taken is not through.
    pub(super) fn put_back(&mut self, exchange: Exchange) {
        self.0.push_front(exchange);
    }

    /// The youngest exchange, if it waits for what other connections read.
    pub(super) fn take_parked(&mut self) -> Option<Exchange> {
        self.0.pop_back_if(|youngest| youngest.is_parked())
    }

    /// The youngest exchange is a barrier: no request may follow before it is through.
    pub(super) fn is_blocked(&self) -> bool {
        self.0.back().is_some_and(|youngest| youngest.barrier)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Exchange> {
        self.0.iter()
    }
}
