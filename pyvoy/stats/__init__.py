"""Counters, gauges and histograms of all processes: written lock-free by one process each, merged by name on read."""
