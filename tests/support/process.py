"""Servers under test as child processes: those of the lab, under the name that the tests know."""

from pyvoy.bench.process import Server, StartError, accepts, admin_ready, descendants, http_get, running

__all__ = ["Server", "StartError", "accepts", "admin_ready", "descendants", "http_get", "running"]
