//! Producer ids, and transactions.

pub(crate) mod init_producer_id;
