"""What `make release` does: `build.py` fills dist/ from the filter and the checker that were built."""
