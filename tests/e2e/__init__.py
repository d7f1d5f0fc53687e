"""End-to-end tests: real clients through a real Envoy to real Kafka brokers."""
