// request_counter: what comes and goes, as statistics.
export * from "@solo-io/proxy-runtime/proxy";
import {
  Context, Counter, FilterHeadersStatusValues, Gauge, Histogram, RootContext, registerRootContext, stream_context,
} from "@solo-io/proxy-runtime";
import { get_property } from "@solo-io/proxy-runtime/runtime";

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

class CountersRoot extends RootContext {
  requests: Counter = new Counter("request_counter.requests");
  active: Gauge = new Gauge("request_counter.active");
  sizes: Histogram = new Histogram("request_counter.response_bytes");
  known: Map<string, Counter> = new Map();

  createContext(id: u32): Context {
    return new RequestCounter(id, this);
  }
  // There is nothing to configure; the SDK's own method cannot read an empty configuration.
  onConfigure(size: u32): bool {
    return true;
  }
  // A counter that is defined once.
  of(name: string): Counter {
    if (!this.known.has(name)) {
      this.known.set(name, new Counter("request_counter." + name));
    }
    return this.known.get(name);
  }
}

// Counters by method and class of the status, a gauge of what is running, a histogram of sizes.
class RequestCounter extends Context {
  counted: bool = false;

  onRequestHeaders(count: u32, end: bool): FilterHeadersStatusValues {
    const root = this.root_context as CountersRoot;
    const method = stream_context.headers.request.get(":method");
    root.requests.increment(1);
    if (METHODS.includes(method)) {
      root.of("method." + method).increment(1);
    } else {
      root.of("method.other").increment(1);
    }
    root.active.increment(1);
    this.counted = true;
    return FilterHeadersStatusValues.Continue;
  }

  onResponseHeaders(count: u32, end: bool): FilterHeadersStatusValues {
    const status = stream_context.headers.response.get(":status");
    (this.root_context as CountersRoot).of("status." + status.charAt(0) + "xx").increment(1);
    return FilterHeadersStatusValues.Continue;
  }

  onLog(): void {
    if (!this.counted) return;
    const root = this.root_context as CountersRoot;
    root.active.increment(-1);
    const size = get_property("response\0size");
    root.sizes.record(root.sizes.metric_id, load<u64>(changetype<usize>(size)));
  }
}

registerRootContext((id: u32) => new CountersRoot(id), "request_counter");
