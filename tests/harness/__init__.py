"""Starts Kafka and Envoy, runs client programs, and speaks the protocol by hand, for the end-to-end tests."""
