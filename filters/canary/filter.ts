// canary: who asks for it gets the new version.
export * from "@solo-io/proxy-runtime/proxy";
import {
  Context, Counter, FilterHeadersStatusValues, RootContext, registerRootContext, stream_context,
} from "@solo-io/proxy-runtime";

class CanaryRoot extends RootContext {
  asked: Counter = new Counter("canary.canary");

  createContext(id: u32): Context {
    return new Canary(id, this);
  }
  // There is nothing to configure; the SDK's own method cannot read an empty configuration.
  onConfigure(size: u32): bool {
    return true;
  }
}

// Puts `x-stage` on the request, which the routes match; what the client says there does not count.
class Canary extends Context {
  onRequestHeaders(count: u32, end: bool): FilterHeadersStatusValues {
    const headers = stream_context.headers.request;
    const wish = headers.get("x-canary").toLowerCase();
    const wants = wish == "1" || wish == "true" || wish == "always";
    headers.replace("x-stage", wants ? "canary" : "stable"); // the route is chosen anew
    if (wants) {
      (this.root_context as CanaryRoot).asked.increment(1);
    }
    return FilterHeadersStatusValues.Continue;
  }
}

registerRootContext((id: u32) => new CanaryRoot(id), "canary");
