"""What the end-to-end tests, the benchmark and the demo share: it starts Kafka and Envoy, runs client
programs, and speaks the protocol by hand. tests/README.md says what each module is for.
"""
