"""add_header beside Envoy: every response says hello, and its location is ours."""

from collections.abc import Mapping

from pyvoy.bench.ext_proc.processor import Change, Processor


class AddHeader(Processor):
    """One event, no state."""

    def on_response_headers(self, headers: Mapping[str, str]) -> Change:
        return Change(add={"hello": "world!"}, set={"location": "envoy-wasm"})
