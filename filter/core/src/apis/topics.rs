//! Topics: how they come, grow and go.

pub(crate) mod create_topics;

#[cfg(test)]
mod testing;
