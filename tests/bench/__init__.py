"""What the filter costs, and what strangers can cause: `make bench` and `make strangers`."""
