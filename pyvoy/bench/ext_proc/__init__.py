"""Filters as a gRPC server beside Envoy (its ext_proc filter): the fourth way, for comparison.

A form is a file with one class of `processor.Processor`; `server.py` serves it, `configuration.py` writes what Envoy
needs.  Envoy only; pyvoy has no ext_proc.
"""
