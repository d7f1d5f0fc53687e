"""The tests that run real programs, with the harness and the benchmark that share their servers."""
