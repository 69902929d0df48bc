"""Fault injection: the filter, its configuration, and the pacing of response bodies."""
