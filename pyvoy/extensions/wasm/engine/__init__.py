"""Running WebAssembly: the interface, its two bindings (`unchecked`, `public`), compiling, and time limits."""
