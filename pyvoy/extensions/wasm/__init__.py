"""Proxy-Wasm: modules built for Envoy or Istio, run on wasmtime.

Bottom to top: `engine` runs WebAssembly and knows nothing of proxies; `vm` is one instance with its contexts; `calls`
are the host functions a module imports; `plugin` is one configured plugin; `runtime` keeps the VMs of a worker.
Source of the behaviour: the Proxy-Wasm ABI 0.1.0, 0.2.0 and 0.2.1, and Envoy 1.40 where it says more or other.
"""
