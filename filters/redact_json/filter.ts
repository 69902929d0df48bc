// redact_json: fields of JSON responses that nobody outside must see.
export * from "@solo-io/proxy-runtime/proxy";
import {
  Context, Counter, FilterDataStatusValues, FilterHeadersStatusValues, FilterTrailersStatusValues, RootContext,
  registerRootContext, stream_context,
} from "@solo-io/proxy-runtime";
import { BufferTypeValues, get_buffer_bytes } from "@solo-io/proxy-runtime/runtime";

// The SDK does not bring this function of the host.
// @ts-ignore: decorator
@external("env", "proxy_set_buffer_bytes")
declare function set_buffer_bytes(kind: u32, start: u32, size: u32, data: usize, data_size: u32): u32;

const FIELDS = ["password", "token", "ssn"];
const LONGEST = 8;
const HIDDEN = "\"***\"";
const ALL: u32 = 0xffffffff;

// Goes through a JSON text once and notes what is to be hidden.  Open objects and arrays are a list of brackets: depth
// costs a byte, and no text can make the stack overflow.
class Redaction {
  text: Uint8Array;
  at: i32 = 0;
  open: Array<u8> = []; // the brackets around this place
  hiding: i32 = 0; // how many there were around the value that is being hidden; 0: none is
  first: bool = false; // a bracket has just been opened: no comma comes before what follows
  name: string = ""; // the last string that was read, as far as it can be one of the fields
  begins: Array<i32> = []; // where values begin that are hidden,
  ends: Array<i32> = []; // and where they end

  constructor(text: ArrayBuffer) {
    this.text = Uint8Array.wrap(text);
  }

  // Whether there is something to hide, and the text is JSON.
  finds(): bool {
    if (!this.value()) return false;
    while (this.open.length > 0) {
      if (this.take(this.closing())) {
        this.open.pop();
        this.valueEnded();
      } else if (!(this.first || this.take(0x2c)) || !this.member()) {
        return false;
      }
    }
    this.blank();
    return this.begins.length > 0 && this.at == this.text.length;
  }

  // The text with its secrets hidden.
  result(): ArrayBuffer {
    const hidden = String.UTF8.encode(HIDDEN);
    let size = this.text.length;
    for (let i = 0; i < this.begins.length; i++) size += hidden.byteLength - (this.ends[i] - this.begins[i]);
    const made = new ArrayBuffer(size);
    let to = changetype<usize>(made);
    let from = 0;
    for (let i = 0; i < this.begins.length; i++) {
      to = this.copy(to, from, this.begins[i]);
      memory.copy(to, changetype<usize>(hidden), hidden.byteLength);
      to += hidden.byteLength;
      from = this.ends[i];
    }
    this.copy(to, from, this.text.length);
    return made;
  }

  copy(to: usize, from: i32, end: i32): usize {
    memory.copy(to, this.text.dataStart + from, end - from);
    return to + (end - from);
  }

  closing(): i32 {
    if (this.open[this.open.length - 1] == 0x7b) return 0x7d;
    return 0x5d;
  }

  // The letter at this place; 0 behind the end.
  letter(): i32 {
    if (this.at < this.text.length) return this.text[this.at];
    return 0;
  }

  // What stands between two commas.
  member(): bool {
    if (this.open[this.open.length - 1] == 0x5b) return this.value();
    this.blank();
    if (!this.string() || !this.take(0x3a)) return false;
    if (FIELDS.includes(this.name) && this.hiding == 0) {
      this.begins.push(this.at);
      this.hiding = this.open.length;
    }
    return this.value();
  }

  // A value; of an object or array only the bracket that opens it.
  value(): bool {
    this.blank();
    const begin = this.letter();
    this.first = begin == 0x7b || begin == 0x5b;
    if (this.first) {
      this.open.push(<u8>begin);
      this.at++;
      return true;
    }
    let good = false;
    if (begin == 0x22) {
      good = this.string();
    } else {
      good = this.word();
    }
    this.valueEnded();
    return good;
  }

  valueEnded(): void {
    this.first = false;
    if (this.hiding == 0 || this.hiding != this.open.length) return;
    this.hiding = 0;
    this.ends.push(this.at);
  }

  // A string; its name is kept with its escapes resolved, and one that is too long for a field is just too long.
  string(): bool {
    this.name = "";
    if (this.letter() != 0x22) return false;
    for (this.at++; this.at < this.text.length; this.at++) {
      let letter = this.letter();
      if (letter == 0x22) {
        this.at++;
        return true;
      }
      if (letter < 0x20) return false;
      if (letter == 0x5c) {
        letter = this.escape();
        if (letter < 0) return false;
      }
      if (this.name.length <= LONGEST) this.name += String.fromCharCode(letter);
    }
    return false;
  }

  // What a backslash stands for; -1 for nothing.  No field has letters beyond ASCII: those are all '?'.
  escape(): i32 {
    this.at++;
    const letter = this.letter();
    const which = "\"\\/bfnrt".indexOf(String.fromCharCode(letter));
    if (letter != 0 && which >= 0) return "\"\\/\b\f\n\r\t".charCodeAt(which);
    if (letter != 0x75 || this.text.length - this.at < 5) return -1;
    let code = 0;
    for (let digits = 4; digits > 0; digits--) {
      this.at++;
      const digit = hexadecimal(this.letter());
      if (digit < 0) return -1;
      code = code * 16 + digit;
    }
    if (code < 0x80) return code;
    return 0x3f;
  }

  // A number, or one of the three names.
  word(): bool {
    if (this.is("true") || this.is("false") || this.is("null")) return true;
    if (this.letter() == 0x2d) this.at++;
    if (this.letter() == 0x30) {
      this.at++;
    } else if (!this.digits()) {
      return false;
    }
    if (this.letter() == 0x2e) {
      this.at++;
      if (!this.digits()) return false;
    }
    if ((this.letter() | 0x20) != 0x65) return true;
    this.at++;
    if (this.letter() == 0x2b || this.letter() == 0x2d) this.at++;
    return this.digits();
  }

  is(name: string): bool {
    for (let i = 0; i < name.length; i++) {
      if (this.at + i >= this.text.length || this.text[this.at + i] != name.charCodeAt(i)) return false;
    }
    this.at += name.length;
    return true;
  }

  digits(): bool {
    const begin = this.at;
    while (this.letter() >= 0x30 && this.letter() <= 0x39) this.at++;
    return this.at > begin;
  }

  take(wanted: i32): bool {
    this.blank();
    if (this.at >= this.text.length || this.letter() != wanted) return false;
    this.at++;
    return true;
  }

  blank(): void {
    while (this.letter() == 0x20 || this.letter() == 0x09 || this.letter() == 0x0a || this.letter() == 0x0d) this.at++;
  }
}

function hexadecimal(letter: i32): i32 {
  if (letter >= 0x30 && letter <= 0x39) return letter - 0x30;
  const lower = letter | 0x20;
  if (lower >= 0x61 && lower <= 0x66) return lower - 0x61 + 10;
  return -1;
}

class RedactRoot extends RootContext {
  redacted: Counter = new Counter("redact_json.redacted");

  createContext(id: u32): Context {
    return new RedactJson(id, this);
  }
  // There is nothing to configure; the SDK's own method cannot read an empty configuration.
  onConfigure(size: u32): bool {
    return true;
  }
}

// Buffers JSON responses up to the connection's buffer limit; other responses flow past.
class RedactJson extends Context {
  isJson: bool = false;

  onResponseHeaders(count: u32, end: bool): FilterHeadersStatusValues {
    const headers = stream_context.headers.response;
    const type = headers.get("content-type").split(";")[0].trim().toLowerCase();
    this.isJson = !end && type == "application/json" && headers.get("content-encoding") == "";
    if (this.isJson) headers.remove("content-length");
    return FilterHeadersStatusValues.Continue;
  }
  onResponseBody(size: usize, end: bool): FilterDataStatusValues {
    if (this.isJson && !end) return FilterDataStatusValues.StopIterationAndBuffer;
    if (this.isJson) this.redact();
    return FilterDataStatusValues.Continue;
  }
  onResponseTrailers(count: u32): FilterTrailersStatusValues {
    if (this.isJson) this.redact();
    return FilterTrailersStatusValues.Continue;
  }

  redact(): void {
    const found = new Redaction(get_buffer_bytes(BufferTypeValues.HttpResponseBody, 0, ALL));
    if (!found.finds()) return;
    (this.root_context as RedactRoot).redacted.increment(1);
    const body = found.result();
    set_buffer_bytes(BufferTypeValues.HttpResponseBody, 0, ALL, changetype<usize>(body), body.byteLength);
  }
}

registerRootContext((id: u32) => new RedactRoot(id), "redact_json");
