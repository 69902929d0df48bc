// add_header: every response says hello, and its location is ours.
export * from "@solo-io/proxy-runtime/proxy";
import {
  Context, FilterHeadersStatusValues, RootContext, registerRootContext, stream_context,
} from "@solo-io/proxy-runtime";

class AddHeaderRoot extends RootContext {
  createContext(id: u32): Context {
    return new AddHeader(id, this);
  }
  // There is nothing to configure; the SDK's own method cannot read an empty configuration.
  onConfigure(size: u32): bool {
    return true;
  }
}

class AddHeader extends Context {
  onResponseHeaders(count: u32, end: bool): FilterHeadersStatusValues {
    stream_context.headers.response.add("hello", "world!");
    stream_context.headers.response.replace("location", "envoy-wasm");
    return FilterHeadersStatusValues.Continue;
  }
}

registerRootContext((id: u32) => new AddHeaderRoot(id), "add_header");
