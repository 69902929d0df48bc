"""Lua filters: scripts written for Envoy's Lua filter, run by LuaJIT 2.1 (lupa).

`vm.py` makes a state and loads a script, `hook.py` runs one hook on one direction of a stream, `bridge.py` has the
functions that the Lua side (`prelude/`) calls.  lupa is imported on first need only.
"""
