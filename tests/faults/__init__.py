"""Faults: hostile clients, hostile upstreams, and the limits that answer them."""
