//! PLAIN (RFC 4616): one token with name and password.
