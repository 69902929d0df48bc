"""Measuring: load on a URL.  Imported by the command line and by benchmarks, never by a proxy."""
