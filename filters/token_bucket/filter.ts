// token_bucket: each client has so many requests, over all workers.
export * from "@solo-io/proxy-runtime/proxy";
import {
  Context, Counter, FilterHeadersStatusValues, GrpcStatusValues, HeaderPair, RootContext, WasmResultValues,
  registerRootContext, send_local_response, stream_context,
} from "@solo-io/proxy-runtime";
import { proxy_get_shared_data, proxy_set_shared_data } from "@solo-io/proxy-runtime/imports";
import { get_current_time_nanoseconds, get_property } from "@solo-io/proxy-runtime/runtime";

const BURST: f64 = 5;
const PER_SECOND: f64 = 1;
const HEADER = "x-client";

// What is kept of a client: how many tokens (f64), and since when (u64, nanoseconds).
const SIZE = 16;
// Where the host writes address, size and number of a value: the SDK's own function passes it a place of another kind.
const place = new ArrayBuffer(12);

class BucketRoot extends RootContext {
  limited: Counter = new Counter("token_bucket.limited");

  createContext(id: u32): Context {
    return new TokenBucket(id, this);
  }
  // There is nothing to configure; the SDK's own method cannot read an empty configuration.
  onConfigure(size: u32): bool {
    return true;
  }
}

// The buckets lie in shared data; two workers that take at the same time try again (compare-and-swap).
class TokenBucket extends Context {
  onRequestHeaders(count: u32, end: bool): FilterHeadersStatusValues {
    if (take("token_bucket." + client())) return FilterHeadersStatusValues.Continue;
    (this.root_context as BucketRoot).limited.increment(1);
    const seconds = <i32>(1 / PER_SECOND + 1);
    const retry = new HeaderPair(String.UTF8.encode("retry-after"), String.UTF8.encode(seconds.toString()));
    send_local_response(429, "", String.UTF8.encode("too many requests\n"), [retry], GrpcStatusValues.InvalidCode);
    return FilterHeadersStatusValues.StopIteration;
  }
}

// Who asks: what the header says, else the address without its port.
function client(): string {
  const named = stream_context.headers.request.get(HEADER);
  if (named != "") return named;
  const address = String.UTF8.decode(get_property("source\0address"));
  return address.substring(0, address.lastIndexOf(":"));
}

function take(name: string): bool {
  const key = String.UTF8.encode(name);
  const bucket = new ArrayBuffer(SIZE);
  const kept = changetype<usize>(bucket);
  const found = changetype<usize>(place);
  while (true) {
    const now = get_current_time_nanoseconds();
    store<f64>(kept, BURST);
    store<u64>(kept, now, 8);
    let cas: u32 = 0;
    const status = proxy_get_shared_data(changetype<usize>(key), key.byteLength, found, found + 4, found + 8);
    if (status == WasmResultValues.Ok) {
      cas = load<u32>(found, 8);
      if (load<u32>(found, 4) == SIZE) memory.copy(kept, load<u32>(found), SIZE);
      __release(load<u32>(found)); // the host had the SDK keep it for us
    }
    const since = load<u64>(kept, 8);
    const later = max<u64>(now, since);
    let tokens = min<f64>(BURST, load<f64>(kept) + <f64>(later - since) / 1e9 * PER_SECOND);
    const allowed = tokens >= 1;
    if (allowed) tokens -= 1;
    store<f64>(kept, tokens);
    store<u64>(kept, later, 8);
    if (proxy_set_shared_data(changetype<usize>(key), key.byteLength, kept, SIZE, cas) == WasmResultValues.Ok) {
      return allowed;
    }
  }
}

registerRootContext((id: u32) => new BucketRoot(id), "token_bucket");
