//! One client request and all that it takes to answer it: what API files are written against.

pub(crate) mod action;
pub(crate) mod api;
pub(crate) mod authentication;
pub(crate) mod document;
pub(crate) mod fetch_session;
pub(crate) mod handler;
pub(crate) mod located;
pub(crate) mod renewals;
pub(crate) mod rounds;
pub(crate) mod session;
pub(crate) mod table;
pub(crate) mod words;
