//! The targets, in the order in which a stranger's bytes come by.

pub mod frames;

pub mod bodies;

pub mod names;

pub mod plain_token;

pub mod scram_client;

pub mod oauth_message;

pub mod oauth_token;

pub mod key_set;

pub mod subject;

pub mod mapping_rules;

pub mod server_name;

pub mod scram_broker;

pub mod connection;
