"""Tools for testing filters: playbooks, contract checkers, and the fakes behind them (see docs/testing.md).

Needs neither sockets nor a test framework; a failed check is an AssertionError that prints the conversation.
"""
