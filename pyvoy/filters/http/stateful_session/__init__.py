"""Sessions that stay with a host: the filter, and where the client keeps the host's address."""
