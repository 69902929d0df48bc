"""The three mechanisms that run a user's filter: Python, Lua and WebAssembly, neighbours of equal rank."""
