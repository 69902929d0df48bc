"""request_counter: what comes and goes, as statistics."""

from pyvoy.api import Filter, Request, Stream, UpstreamResponse

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"))


class RequestCounter(Filter):
    """Counters by method and class of the status, a gauge of what is running, a histogram of sizes."""

    def on_request(self, request: Request) -> None:
        self.counter("requests").inc()
        method = request.method if request.method in METHODS else "other"
        self.counter(f"method.{method}").inc()
        self.gauge("active").inc()

    def on_response(self, response: UpstreamResponse) -> None:
        self.counter(f"status.{response.status // 100}xx").inc()

    def on_log(self, stream: Stream) -> None:
        self.gauge("active").dec()
        self.histogram("response_bytes", "bytes").record(stream.info.bytes_sent)
