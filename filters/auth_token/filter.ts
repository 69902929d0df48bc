// auth_token: a request needs a token that the auth service knows.
export * from "@solo-io/proxy-runtime/proxy";
import {
  BaseContext, Context, Counter, FilterHeadersStatusValues, GrpcStatusValues, HeaderPair, Headers, RootContext,
  WasmResultValues, registerRootContext, send_local_response, stream_context,
} from "@solo-io/proxy-runtime";
import { BufferTypeValues, get_buffer_bytes } from "@solo-io/proxy-runtime/runtime";

const PATH = "/check";
const TIMEOUT_MS = 1000;

// The configuration is the name of the cluster that is asked.
class AuthRoot extends RootContext {
  cluster: string = "auth";
  allowed: Counter = new Counter("auth_token.allowed");
  denied: Counter = new Counter("auth_token.denied");
  unavailable: Counter = new Counter("auth_token.unavailable");

  createContext(id: u32): Context {
    return new AuthToken(id, this);
  }
  onConfigure(size: u32): bool {
    if (size > 0) {
      this.cluster = String.UTF8.decode(get_buffer_bytes(BufferTypeValues.PluginConfiguration, 0, size));
    }
    return true;
  }
}

function header(name: string, value: string): HeaderPair {
  return new HeaderPair(String.UTF8.encode(name), String.UTF8.encode(value));
}

function reply(status: u32, body: string, headers: Headers): void {
  send_local_response(status, "", String.UTF8.encode(body), headers, GrpcStatusValues.InvalidCode);
}

// Fails closed: no answer of the auth service is a 503.
class AuthToken extends Context {
  gone: bool = false;

  onRequestHeaders(count: u32, end: bool): FilterHeadersStatusValues {
    const cluster = (this.root_context as AuthRoot).cluster;
    const headers = stream_context.headers.request;
    headers.remove("x-user");
    const token = headers.get("authorization");
    if (token == "") {
      reply(401, "no token\n", [header("www-authenticate", "Bearer")]);
      return FilterHeadersStatusValues.StopIteration;
    }
    const asked = this.root_context.httpCall(
      cluster,
      [header(":method", "GET"), header(":path", PATH), header(":authority", cluster), header("authorization", token)],
      new ArrayBuffer(0), [], TIMEOUT_MS, this,
      (context: BaseContext, headers: u32, size: usize, trailers: u32) => {
        (context as AuthToken).answered(headers == 0);
      });
    if (asked != WasmResultValues.Ok) {
      this.refuseUnchecked();
    }
    return FilterHeadersStatusValues.StopIteration;
  }

  answered(failed: bool): void {
    if (this.gone) return; // the client did not wait
    const root = this.root_context as AuthRoot;
    const answer = stream_context.headers.http_callback;
    const status = answer.get(":status");
    if (failed || status.startsWith("5")) { // a time-out is a 504
      this.refuseUnchecked();
    } else if (!status.startsWith("2")) {
      root.denied.increment(1);
      reply(403, "unknown token\n", []);
    } else {
      let user = answer.get("x-user");
      if (user == "") {
        user = "unknown";
      }
      root.allowed.increment(1);
      stream_context.headers.request.replace("x-user", user);
      this.continueRequest();
    }
  }

  refuseUnchecked(): void {
    (this.root_context as AuthRoot).unavailable.increment(1);
    reply(503, "cannot check the token\n", []);
  }

  onDelete(): void {
    this.gone = true;
  }
}

registerRootContext((id: u32) => new AuthRoot(id), "auth_token");
