"""grpc_json_transcoder: REST and JSON in, gRPC to an HTTP/2 upstream, and back."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from typing import Any

from google.protobuf import any_pb2, duration_pb2, json_format, struct_pb2, timestamp_pb2
from google.protobuf.message import Message

from tests.parity.case import Case, ask, request
from tests.parity.cases.http2_upstream import HTTP2, fields, from_http2, reply, upstream
from tests.support import h2wire as h2
from tests.support.h2wire import data, head
from tests.support.shop import framed, message
from tests.support.steps import Answers, Until, Wait
from tests.support.upstream import STREAM, Script

GRPC = (b"content-type", b"application/grpc")
DONE = [(b"grpc-status", b"0")]
JSON = "Content-Type: application/json"


def book(**more: Any) -> bytes:
    """A Book as a gRPC message."""
    made = message("Book")()
    for name, value in more.items():
        _fill(made, name, value)
    return framed(made)


def _fill(made: Any, name: str, value: Any) -> None:
    """Give a field its value: plain values for wrappers and Struct, messages of other pools for messages."""
    field = made.DESCRIPTOR.fields_by_name[name]
    kind = "" if field.message_type is None else field.message_type.full_name
    if field.is_repeated and isinstance(value[0] if isinstance(value, list) else None, Message):
        for each in value:
            getattr(made, name).add().ParseFromString(each.SerializeToString())
    elif isinstance(value, Message):
        getattr(made, name).ParseFromString(value.SerializeToString())
        getattr(made, name).SetInParent()
    elif kind.startswith("google.protobuf.") and kind.endswith("Value") and not isinstance(value, list):
        getattr(made, name).value = value
        getattr(made, name).SetInParent()
    elif kind in ("google.protobuf.Struct", "google.protobuf.ListValue"):
        json_format.ParseDict(value, getattr(made, name))
    else:
        made.MergeFrom(type(made)(**{name: value}))


def answer(*bodies: bytes, status: bytes = b"0", trailers: h2.Headers | None = None, **more: Any) -> bytes:
    """A gRPC answer with these messages."""
    return reply(GRPC, body=b"".join(bodies), trailers=[(b"grpc-status", status), *(trailers or [])], **more)


def only(status: bytes, *more: tuple[bytes, bytes]) -> bytes:
    """A trailers-only answer."""
    return reply(GRPC, (b"grpc-status", status), *more, body=None)


BOOK = answer(book(id=7, title="Emma"))


def filters(config: str = "") -> str:
    """The filter with these fields."""
    return f"- grpc_json_transcoder: {{proto_descriptor: $shop, services: [shop.v1.Shop]{', ' + config if config else ''}}}"


def call(name: str, want: str, target: str, body: bytes | None = None, *headers: str, method: str | None = None, up: Any = BOOK, config: str = "", **more: Any) -> Case:
    """One request of an HTTP/1 client."""
    verb = method or ("GET" if body is None else "POST")
    lines = headers or ((JSON,) if body is not None else ())
    sent = request(target, *lines, method=verb, body=body)
    more.setdefault("cluster", HTTP2)
    more.setdefault("upstream", upstream(up))
    more.setdefault("filters", filters(config))
    return Case(f"json-{name}", want, (ask(sent),), **more)


def echo(name: str, want: str, body: bytes, **more: Any) -> Case:
    """A JSON body as a Book."""
    return call(f"in-{name}", want, "/echo", body, **more)


def shown(name: str, config: str = "", want: str = "200", raw: bytes | None = None, **values: Any) -> Case:
    """A Book as JSON."""
    sent = framed(raw) if raw is not None else book(**values)
    return call(f"out-{name}", want, "/v1/books/1", up=answer(sent), config=config)


def any_of(name: str, **values: Any) -> any_pb2.Any:
    """A message of the shop in an Any."""
    return packed(message(name)(**values))


def packed(inner: Any) -> any_pb2.Any:
    """A message in an Any."""
    return any_pb2.Any(type_url=f"type.googleapis.com/{inner.DESCRIPTOR.full_name}", value=inner.SerializeToString())


CASES = (
    call("get", "200", "/v1/shelves/fiction/books/12"),
    call("get-additional", "200", "/v1/books/12"),
    call("get-query", "200", "/v1/books/12?view=full&read=a&read=b&nested.deep.leaf=x&nested.deep.depth=3&nested.deep.flag=true&nested.deep.genre=FICTION&nested.numbers=1&nested.numbers=2"),
    call("create", "200", "/v1/shelves/fiction/books", b'{"title":"Emma","author":{"firstName":"Jane","last_name":"Austen","year":1775},"tags":["a","b"]}'),
    call("put", "200", "/v1/books/3?view=v", b'{"id":4}', method="PUT"),
    call("patch", "200", "/v1/books/3", b'{"title":"x"}', method="PATCH"),
    call("delete", "200", "/v1/books/3", method="DELETE", up=answer(framed(b""))),
    call("custom", "200", "/v1/find?shelf=s", method="SEARCH"),
    call("custom-any", "200", "/any", method="PUT"),
    call("verb", "200", "/v1/books/3:archive", b""),
    call("auto", "200", "/shop.v1.Shop/Auto", b'{"shelf":"s"}', config="auto_mapping: true"),
    call("no-auto", "404", "/shop.v1.Shop/Auto", b'{"shelf":"s"}', up=reply(status=404)),
    # ---- what fits no rule
    call("unknown-path", "404", "/nothing", up=reply(status=404)),
    call("unknown-path-rejected", "404", "/nothing?x=1", config="request_validation_options: {reject_unknown_method: true}"),
    call("unknown-method-rejected", "404", "/echo", method="GET", config="request_validation_options: {reject_unknown_method: true}"),
    call("unknown-query", "404", "/v1/books/1?nope=1", up=reply(status=404)),
    call("unknown-query-rejected", "400", "/v1/books/1?nope=1", config="request_validation_options: {reject_unknown_query_parameters: true}"),
    call("unknown-query-deep-rejected", "400", "/v1/books/1?nested.deep.nope=1", config="request_validation_options: {reject_unknown_query_parameters: true}"),
    call("query-into-scalar-rejected", "400", "/v1/books/1?view.x=1", config="request_validation_options: {reject_unknown_query_parameters: true}"),
    call("unknown-query-ignored", "200", "/v1/books/1?nope=1&view=v", config="ignore_unknown_query_parameters: true"),
    call("ignored-query", "200", "/v1/books/1?key=secret&view=v", config="ignored_query_parameters: [key]"),
    call("bad-variable", "404", "/bad/x", up=reply(status=404)),
    call("twice", "404", "/twice", up=reply(status=404)),
    call("grpc-passes", "200", "/v1/books/1", framed(b""), "Content-Type: application/grpc"),
    call("grpc-proto-passes", "200", "/v1/books/1", framed(b""), "Content-Type: application/grpc+proto"),
    call("no-services", "404", "/v1/books/1", up=reply(status=404), filters="- grpc_json_transcoder: {proto_descriptor: $shop, services: []}"),
    # ---- paths
    call("path-escaped", "200", "/v1/shelves/a%2Fb%20c%3a/books/1"),
    call("path-escaped-number", "200", "/v1/books/%31%32"),
    call("path-empty-segment", "404", "/v1/shelves//books/1", up=reply(status=404)),
    call("path-trailing-slash", "200", "/v1/books/1/"),
    call("path-star", "200", "/star/any/x"),
    call("path-tree", "200", "/tree/a/b%20c/d%2Fe%3Af"),
    call("path-tree-empty", "200", "/tree"),
    call("path-tree-no-slash", "200", "/tree/a/b%20c/d%2Fe%3Af", config="url_unescape_spec: ALL_CHARACTERS_EXCEPT_SLASH"),
    call("path-tree-all", "200", "/tree/a/b%20c/d%2Fe%3Af", config="url_unescape_spec: ALL_CHARACTERS"),
    call("path-long", "200", "/long/a/b/c/end"),
    call("path-long-short", "200", "/long/a/end"),
    call("path-pair", "200", "/pair/rooms/1/shelves/2%2F3"),
    call("path-deep", "200", "/deep/leaf?nested.name=n"),
    call("path-verb-unknown", "400", "/v1/books/3:other"),
    call("path-verb-colon", "400", "/v1/books/3:x"),
    call("path-verb-match-unregistered", "404", "/v1/shelves/s/books/3:x", config="match_unregistered_custom_verb: true", up=reply(status=404)),
    call("path-colon-in-variable", "200", "/tree/a:b"),
    call("path-not-a-number", "400", "/v1/books/abc"),
    call("path-bad-utf8", "200", "/v1/shelves/%ff/books/1"),
    # ---- query
    call("query-plus", "200", "/v1/books/1?view=a+b%2B"),
    call("query-plus-unescaped", "200", "/v1/books/1?view=a+b%2B", config="query_param_unescape_plus: true"),
    call("query-camel", "200", "/v1/books/1?book.author.firstName=J&book.author.last_name=A"),
    call("query-escaped-name", "200", "/v1/books/1?book%2Etitle=t&v%69ew=x"),
    call("query-escaped-name2", "200", "/v1/books/1?v%69ew=x"),
    call("query-empty-parts", "200", "/v1/books/1?&=x&view&view=&read=1&&"),
    call("query-twice", "200", "/v1/books/1?view=a&view=b"),
    call("query-repeated-commas", "200", "/v1/books/1?nested.numbers=1&nested.numbers=2&read=a,b"),
    call("query-map", "200", "/v1/books/1?book.stock.key=2"),
    call("query-well-known", "200", "/v1/books/1?book.printed=2020-01-02T03:04:05.5Z&book.loan=1.5s&book.subtitle=s&book.mask=a.bC,d&book.copies=3&book.signed=true&book.anything=x"),
    call("query-enum-number", "200", "/v1/books/1?book.genre=2"),
    call("query-enum-case", "400", "/v1/books/1?book.genre=fiction"),
    call("query-enum-case-insensitive", "200", "/v1/books/1?book.genre=science-text", config="case_insensitive_enum_parsing: true"),
    call("query-message", "400", "/v1/books/1?nested=x"),
    call("query-bool", "200", "/v1/books/1?nested.deep.flag=yes"),
    call("query-bool-bad", "400", "/v1/books/1?nested.deep.flag=maybe"),
    call("query-bytes", "200", "/v1/books/1?book.cover=aGk"),
    call("query-struct", "400", "/v1/books/1?book.extra=x"),
    call("query-oneof-twice", "400", "/v1/books/1?book.paper=x&book.disk=1"),
    # ---- bodies and bindings
    call("whole-with-path", "200", "/whole/s", b'{"id":5,"view":"v"}'),
    call("whole-collision", "200", "/whole/s", b'{"shelf":"other","id":"5"}'),
    call("whole-collision-rejected", "400", "/whole/s", b'{"shelf":"other"}', config="request_validation_options: {reject_binding_body_field_collisions: true}"),
    call("whole-collision-same", "200", "/whole/s", b'{"shelf":"s"}', config="request_validation_options: {reject_binding_body_field_collisions: true}"),
    call("whole-collision-repeated", "200", "/whole/s?read=q", b'{"read":["b"]}'),
    call("whole-collision-nested", "200", "/whole/s?nested.name=q&nested.deep.leaf=l", b'{"nested":{"name":"b","numbers":[1]},"id":1}'),
    call("whole-query", "200", "/whole/s?view=v", b"{}"),
    call("bare-body", "200", "/bare?view=v", b'{"id":5}'),
    call("body-string", "200", "/title", b'"Emma"'),
    call("body-list", "200", "/reads", b'["a","b"]'),
    call("body-scalar-for-message", "400", "/v1/shelves/s/books", b"5"),
    call("body-list-for-message", "400", "/v1/shelves/s/books", b"[1]"),
    call("body-null", "200", "/v1/shelves/s/books", b"null"),
    call("body-root-list", "400", "/echo", b"[]"),
    call("body-root-scalar", "400", "/echo", b"5"),
    call("body-root-null", "400", "/echo", b"null"),
    call("body-empty", "200", "/echo", b""),
    call("body-blank", "400", "/echo", b"  "),
    call("get-with-body", "200", "/v1/books/3", b'{"view":"x"}', method="GET"),
    # ---- JSON in
    echo("scalars", "200", b'{"id":"-9223372036854775808","pages":4294967295,"price":1.5,"weight":0.1,"sold":true,"cover":"aGk=","big":"18446744073709551615","delta":-3,"longDelta":"-4","f32":1,"f64":"2","sf32":-1,"sf64":-2}'),
    echo("scalars-as-text", "200", b'{"id":"12","pages":"7","price":"1e3","weight":"-2.5","sold":"true","delta":"+3"}'),
    echo("floats", "200", b'{"price":1e300,"weight":1e10,"doubles":[0.1,-0,1e-7,"NaN","Infinity","-Infinity"]}'),
    echo("float-to-int", "200", b'{"id":12.0,"pages":1e3}'),
    echo("wrappers", "200", b'{"subtitle":"s","copies":"5","signed":false,"rate":1.5,"ratio":2,"huge":"7","small":-1,"count":3,"raw":"aGk"}'),
    echo("wrappers-null", "200", b'{"subtitle":null,"copies":null}'),
    echo("times", "200", b'{"printed":"2020-02-29T23:59:59.123456789+01:30","loan":"-3.000000001s","seen":["1970-01-01T00:00:00Z","9999-12-31T23:59:59.999Z"]}'),
    echo("mask", "200", b'{"mask":"fooBar,a.bC(dE,f(g)),map[\\"k.x\\"]"}'),
    echo("struct", "200", b'{"extra":{"a":1,"b":[true,null,"x",{"c":{}}],"d":-1.5},"anything":[1,{"x":2}],"list":[1,"a"],"nothing":null,"facts":{"k":{"z":1},"n":null}}'),
    echo("value-null", "200", b'{"anything":null,"things":[null,1,[2],{"a":3}]}'),
    echo("any", "200", b'{"note":{"@type":"type.googleapis.com/shop.v1.Author","firstName":"J","year":5}}'),
    echo("any-type-last", "200", b'{"note":{"firstName":"J","@type":"type.googleapis.com/shop.v1.Author"}}'),
    echo("any-well-known", "200", b'{"note":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.5s"}}'),
    echo("any-struct", "200", b'{"note":{"@type":"type.googleapis.com/google.protobuf.Struct","value":{"a":1}}}'),
    echo("any-empty", "200", b'{"note":{}}'),
    echo("maps", "200", b'{"stock":{"a":1,"b":"2"},"editors":{"1":{"lastName":"x"},"-2":{}},"byFlag":{"true":"FICTION"},"times":{"t":"1970-01-01T00:00:01Z"},"longs":{"-5":"x"}}'),
    echo("enum", "200", b'{"genre":"SCIENCE_TEXT","genres":["FICTION",0,7,"1"]}'),
    echo("enum-any-case", "200", b'{"genre":"science-text"}', config="case_insensitive_enum_parsing: true"),
    echo("oneof", "200", b'{"disk":5,"edition":0}'),
    echo("oneof-null", "200", b'{"paper":null,"disk":5}'),
    echo("names", "200", b'{"long_delta":1,"PascalName":"p","first_name":1}'),
    echo("unknown-fields", "200", b'{"nope":{"a":[1,{"b":2}]},"id":1,"none":[],"x":null}'),
    echo("null", "200", b'{"id":null,"tags":null,"author":null,"stock":null}'),
    echo("null-in-list", "200", b'{"tags":["a",null,"b"],"ratings":[null,1]}'),
    echo("scalar-for-list", "200", b'{"tags":"a","ratings":3,"related":{"id":1}}'),
    echo("list-in-list", "200", b'{"ratings":[[1,2],[3,[4]]]}'),
    echo("twice", "200", b'{"id":1,"id":2,"tags":["a"],"tags":["b"],"author":{"year":1},"author":{"firstName":"x"}}'),
    echo("timestamp-object", "200", b'{"printed":{"seconds":5}}'),
    echo("base64-url", "200", b'{"cover":"-_-_"}'),
    echo("base64-both", "200", b'{"cover":"+/+/","raw":"//79"}'),
    echo("unicode", "200", '{"title":"ä€😀","tags":["\\u00e4\\ud83d\\ude00"]}'.encode()),
    echo("escapes", "200", rb'{"title":"\"\\\/\b\f\n\r\t\q\v"}'),
    echo("lenient", "200", b"{'id':1,title:'it\"s',tags:['a',],}"),
    echo("control", "200", b'{"title":"a\tb\x01"}'),
    echo("nested", "200", b'{"related":[{"id":1,"related":[{"id":2}]},{"author":{}}]}'),
    echo("whitespace", "200", b' \n{ "id" : 1 , "tags" : [ ] }\r\n\t'),
    echo("deep-lists", "200", b'{"anything":' + b"[" * 60 + b"]" * 60 + b"}"),
    # ---- JSON in, wrong
    echo("bad-int", "400", b'{"id":"x"}'),
    echo("bad-int-float", "400", b'{"id":1.5}'),
    echo("bad-int-range", "400", b'{"pages":4294967296}'),
    echo("bad-int-negative", "400", b'{"pages":-1}'),
    echo("bad-int-huge", "400", b'{"id":123456789012345678901234567890}'),
    echo("bad-int-blank", "400", b'{"id":" 5"}'),
    echo("bad-int-bool", "400", b'{"id":true}'),
    echo("bad-string-number", "400", b'{"title":5}'),
    echo("bad-string-float", "400", b'{"title":1.25e30}'),
    echo("bad-bool", "400", b'{"sold":1}'),
    echo("bad-bytes", "400", b'{"cover":"a$"}'),
    echo("bytes-spare-bits", "200", b'{"cover":"aGl="}'),
    echo("bytes-blank", "200", b'{"cover":"a G\\nk"}'),
    echo("bytes-more-padding", "400", b'{"cover":"aGk=="}'),
    echo("bytes-less-padding", "400", b'{"cover":"aA="}'),
    echo("bytes-much-padding", "400", b'{"cover":"aGk==="}'),
    echo("bytes-one", "400", b'{"cover":"a"}'),
    echo("bytes-five", "400", b'{"cover":"aaaaa"}'),
    echo("bytes-mixed", "400", b'{"cover":"+-aa"}'),
    echo("bytes-dots", "200", b'{"cover":"aGk."}'),
    echo("bytes-behind-padding", "400", b'{"cover":"aGk=aGk="}'),
    echo("deep-mixed", "400", b'{"related":[' * 60 + b"]}" * 60),
    echo("deep-lists-100", "200", b'{"anything":' + b"[" * 99 + b"]" * 99 + b"}"),
    echo("deep-lists-101", "400", b'{"anything":' + b"[" * 100 + b"]" * 100 + b"}"),
    echo("deep-lists-more", "400", b'{"anything":' + b"[" * 150 + b"]" * 150 + b"}"),
    echo("hex-float", "200", b'{"price":"0x10"}'),
    echo("float-words", "400", b'{"price":"inf"}'),
    echo("float-blanks", "200", b'{"price":"\\t1.5"}'),
    echo("int-tab", "400", b'{"id":"\\t5"}'),
    echo("float-max", "200", b'{"weight":3.4028235e38}'),
    echo("float-from-int", "200", b'{"price":9007199254740993,"weight":16777217}'),
    echo("bool-words", "200", b'{"sold":"T"}'),
    echo("int-minus-zero", "400", b'{"pages":"-0"}'),
    echo("leap-second", "200", b'{"printed":"2016-12-31T23:59:60Z"}'),
    echo("time-short", "200", b'{"printed":"2016-1-2T3:4:5Z"}'),
    echo("time-year-zero", "400", b'{"printed":"0000-01-01T00:00:00Z"}'),
    echo("time-lower", "400", b'{"printed":"2016-01-02t03:04:05z"}'),
    echo("time-long-nanos", "200", b'{"printed":"2016-01-02T03:04:05.0000000000Z"}'),
    echo("duration-plus", "200", b'{"loan":"+1s"}'),
    echo("duration-point", "200", b'{"loan":"1.s"}'),
    echo("duration-no-whole", "400", b'{"loan":".5s"}'),
    echo("duration-minus-nanos", "400", b'{"loan":"1.-5s"}'),
    echo("wrapper-object", "200", b'{"subtitle":{"value":"x"}}'),
    echo("any-inner-any", "200", b'{"note":{"@type":"type.googleapis.com/google.protobuf.Any","value":{"@type":"type.googleapis.com/shop.v1.Author","year":1}}}'),
    echo("any-value-list", "200", b'{"note":{"@type":"type.googleapis.com/google.protobuf.Value","value":[1]}}'),
    echo("any-wrapper", "200", b'{"note":{"@type":"type.googleapis.com/google.protobuf.Int32Value","value":"5"}}'),
    echo("any-struct-scalar", "400", b'{"note":{"@type":"type.googleapis.com/google.protobuf.Struct","value":1}}'),
    echo("any-unknown-field", "200", b'{"note":{"@type":"type.googleapis.com/shop.v1.Author","nope":1}}'),
    echo("any-type-number", "400", b'{"note":{"@type":5}}'),
    echo("mask-escape", "200", b'{"mask":"a_b,Ab,aBC,ABc,aB_C"}'),
    echo("mask-empty", "200", b'{"mask":""}'),
    echo("mask-close", "400", b'{"mask":"a)"}'),
    echo("mask-key", "400", b'{"mask":"a[b]"}'),
    echo("mask-key-open", "400", b'{"mask":"a[\\"b"}'),
    echo("mask-key-middle", "400", b'{"mask":"a[\\"b\\"]c"}'),
    echo("mask-number", "400", b'{"mask":5}'),
    echo("value-in-list-in-list", "200", b'{"things":[[1,[2]],{"a":[]}],"list":[[1],{"b":null}]}'),
    echo("struct-null-value", "200", b'{"extra":{"a":null}}'),
    echo("map-null-value", "200", b'{"stock":{"a":null},"times":{"t":null},"editors":{"1":null}}'),
    echo("map-scalar-for-message", "400", b'{"editors":{"1":5}}'),
    echo("map-bool-key", "400", b'{"byFlag":{"maybe":1}}'),
    echo("empty-object", "200", b'{"empty":{},"author":{}}'),
    echo("empty-with-fields", "200", b'{"empty":{"x":1}}'),
    echo("list-value-object", "200", b'{"list":{"values":[1]}}'),
    echo("value-object-names", "200", b'{"anything":{"number_value":1}}'),
    echo("null-value-text", "200", b'{"nothing":"NULL_VALUE"}'),
    echo("bad-float-range", "400", b'{"weight":1e39}'),
    echo("bad-enum", "400", b'{"genre":"NOPE"}'),
    echo("bad-nested", "400", b'{"author":{"year":"x"}}'),
    echo("bad-in-list", "400", b'{"ratings":[1,2,"x"]}'),
    echo("bad-in-list-twice", "400", b'{"ratings":["x",2,"y"]}'),
    echo("bad-in-messages", "400", b'{"related":[{"id":1},{"id":"x"}]}'),
    echo("bad-in-map", "400", b'{"stock":{"a":1,"b":"x"}}'),
    echo("bad-map-key", "400", b'{"editors":{"x":{}}}'),
    echo("bad-in-map-message", "400", b'{"editors":{"1":{"year":"x"}}}'),
    echo("bad-map-twice", "400", b'{"stock":{"a":1,"a":2}}'),
    echo("bad-map-list", "400", b'{"stock":[1]}'),
    echo("bad-map-list-value", "400", b'{"stock":{"a":[1]}}'),
    echo("bad-map-object-value", "200", b'{"stock":{"a":{"b":1}}}'),
    echo("bad-map-scalar", "400", b'{"stock":1}'),
    echo("bad-struct-twice", "400", b'{"extra":{"a":1,"a":2}}'),
    echo("bad-struct-scalar", "400", b'{"extra":1}'),
    echo("bad-struct-list", "400", b'{"extra":[1]}'),
    echo("bad-list-value", "400", b'{"list":5}'),
    echo("bad-two", "400", b'{"id":"x","pages":"y"}'),
    echo("bad-object-for-scalar", "400", b'{"id":{"a":1}}'),
    echo("bad-object-for-scalars", "400", b'{"ratings":[{"a":1}]}'),
    echo("bad-list-for-scalar", "400", b'{"id":[1]}'),
    echo("bad-list-for-message", "400", b'{"author":[{}]}'),
    echo("bad-scalar-for-message", "400", b'{"author":5}'),
    echo("bad-oneof", "400", b'{"paper":"a","disk":1}'),
    echo("bad-oneof-twice", "400", b'{"edition":1,"edition":2}'),
    echo("bad-timestamp", "400", b'{"printed":"yesterday"}'),
    echo("bad-timestamp-zone", "400", b'{"printed":"2020-01-01T00:00:00"}'),
    echo("bad-timestamp-date", "400", b'{"printed":"2021-02-29T00:00:00Z"}'),
    echo("bad-timestamp-nanos", "400", b'{"printed":"2020-01-01T00:00:00.1234567891Z"}'),
    echo("bad-timestamp-number", "400", b'{"printed":5}'),
    echo("bad-duration", "400", b'{"loan":"5"}'),
    echo("bad-duration-text", "400", b'{"loan":"xs"}'),
    echo("bad-duration-range", "400", b'{"loan":"315576000001s"}'),
    echo("bad-wrapper", "400", b'{"subtitle":5}'),
    echo("bad-any-type", "400", b'{"note":{"@type":"type.googleapis.com/nope.Nope"}}'),
    echo("bad-any-url", "400", b'{"note":{"@type":"nope"}}'),
    echo("bad-any-missing", "400", b'{"note":{"a":1}}'),
    echo("bad-any-field", "400", b'{"note":{"@type":"type.googleapis.com/shop.v1.Author","year":"x"}}'),
    echo("bad-any-value", "400", b'{"note":{"@type":"type.googleapis.com/google.protobuf.Duration","other":"1s"}}'),
    echo("bad-any-duration", "400", b'{"note":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"x"}}'),
    echo("bad-mask", "400", b'{"mask":"a(b"}'),
    echo("bad-empty-name", "400", b'{"":1}'),
    echo("bad-json-cut", "400", b'{"id":1'),
    echo("bad-json-cut-string", "400", b'{"title":"abc'),
    echo("bad-json-cut-key", "400", b'{"id'),
    echo("bad-json-token", "400", b'{"id":#}'),
    echo("bad-json-comma", "400", b'{"id":1 "pages":2}'),
    echo("bad-json-colon", "400", b'{"id" 1}'),
    echo("bad-json-key", "400", b'{5:1}'),
    echo("bad-json-keyword-key", "400", b'{null:1}'),
    echo("bad-json-word", "400", b'{"sold":yes}'),
    echo("bad-json-array", "400", b'{"tags":["a" "b"]}'),
    echo("bad-json-extra", "400", b'{"id":1}}'),
    echo("bad-json-octal", "400", b'{"id":012}'),
    echo("bad-json-number", "400", b'{"id":1.2.3}'),
    echo("bad-json-range", "400", b'{"price":1e400}'),
    echo("bad-json-escape", "400", rb'{"title":"\u12x4"}'),
    echo("bad-json-surrogate", "400", rb'{"title":"\ud800x12345678"}'),
    echo("bad-json-low-surrogate", "400", rb'{"title":"\ude00"}'),
    echo("bad-json-utf8", "400", b'{"title":"\xff"}'),
    echo("bad-json-depth", "400", b'{"related":' * 101 + b"1" + b"}" * 101),
    echo("bad-json-context", "400", b'{"title":"a long text before","author":{"year":5}, # and behind it all'),
    echo("bad-json-before-value", "400", b'{"id":"x","pages":#}'),
    # ---- messages out
    shown("scalars", id=-5, pages=4294967295, price=0.1, weight=0.1, sold=True, cover=b"hi\xff", big=2**64 - 1, delta=-3, long_delta=-(2**63), f32=1, f64=2, sf32=-1, sf64=-2, title="t"),
    shown("floats", doubles=[0.1, 1e20, 1e21, 1e-7, 123456789.0, -0.0, float("inf"), float("-inf"), float("nan"), 1 / 3, 5e-324, 1e15, 1e16, 1e17], weight=3.4028235e38),
    shown("float-short", weight=16777216.0, price=16777217.0),
    shown("float-small", weight=1.1754944e-38),
    shown("strings", title="a<b>&'\"\\/\b\f\n\r\t\x01\x7f\x9f­؀​  ﻿￹😀\U0001d173é"),
    shown("enum", genre=2, genres=[0, 1, 2, 7]),
    shown("enum-ints", "print_options: {always_print_enums_as_ints: true}", genre=2, genres=[0, 1]),
    shown("names", "print_options: {preserve_proto_field_names: true}", long_delta=1, PascalName="p", author={"first_name": "x"}),
    shown("camel", long_delta=1, PascalName="p", author={"first_name": "x"}),
    shown("all", "print_options: {always_print_primitive_fields: true}"),
    shown("all-nested", "print_options: {always_print_primitive_fields: true}", author={}, related=[{"id": 1}], subtitle=""),
    shown("whitespace", "print_options: {add_whitespace: true}", id=1, author={"year": 5}, tags=["a", "b"], stock={"k": 1}, empty={}, related=[{}, {"id": 2}]),
    shown("whitespace-all", "print_options: {add_whitespace: true, always_print_primitive_fields: true}", author={"year": 5}),
    shown("whitespace-well-known", "print_options: {add_whitespace: true}", extra={"a": [1, {}]}, note=any_of("Author", year=1), list=[1, []]),
    shown("empty", want="200"),
    shown("times", printed=timestamp_pb2.Timestamp(seconds=1582985736, nanos=120000000), loan=duration_pb2.Duration(seconds=-3, nanos=-1), seen=[timestamp_pb2.Timestamp(), timestamp_pb2.Timestamp(nanos=1000), timestamp_pb2.Timestamp(seconds=-62135596800), timestamp_pb2.Timestamp(seconds=253402300799, nanos=999999999)]),
    shown("duration-zero", loan=duration_pb2.Duration()),
    shown("duration-nanos", loan=duration_pb2.Duration(nanos=-1500000)),
    shown("wrappers", subtitle="s", copies=5, signed=False, rate=1.5, ratio=0.1, huge=7, small=-1, count=0, raw=b"x"),
    shown("struct", extra={"a": 1, "b": [True, None, "x"], "c": {"d": 1.5}}, anything=struct_pb2.Value(string_value="<"), list=[1, "a"]),
    shown("value-empty", anything=struct_pb2.Value(), things=[struct_pb2.Value(), struct_pb2.Value(number_value=1)]),
    shown("mask", mask={"paths": ["foo_bar", "a.b_c", "x__y", "_z", "q_1", "Big_A"]}),
    shown("any", note=any_of("Author", first_name="J", year=5)),
    shown("any-well-known", note=packed(duration_pb2.Duration(seconds=5))),
    shown("any-empty", note=any_pb2.Any()),
    shown("any-no-value", note=any_of("Author")),
    shown("any-unknown", want="502", note=any_pb2.Any(type_url="type.googleapis.com/nope.Nope", value=b"")),
    shown("any-bad-url", want="502", note=any_pb2.Any(type_url="nope", value=b"")),
    shown("any-no-type", want="502", note=any_pb2.Any(value=b"x")),
    shown("any-broken", want="502", note=any_pb2.Any(type_url="type.googleapis.com/shop.v1.Author", value=b"\x0a\x05x")),
    shown("map-order", raw=b"\x5a\x05\x0a\x01z\x10\x01\x5a\x05\x0a\x01a\x10\x02\x5a\x05\x0a\x01z\x10\x03"),
    shown("map-keys", editors={1: {"year": 1}, -2: {}}, by_flag={True: 1}, longs={5: "x"}),
    shown("explicit-zero", raw=b"\x08\x00\x12\x00\x28\x00"),
    shown("unknown-fields", raw=b"\xc0\x3e\x01\xca\x3e\x02hi\xcd\x3e\x01\x02\x03\x04\xc9\x3e\x01\x02\x03\x04\x05\x06\x07\x08\x08\x01"),
    shown("unknown-group", raw=b"\xc3\x3e\x08\x05\xc4\x3e\x08\x01"),
    shown("packed", raw=b"\xda\x01\x03\x01\x02\x03\xd8\x01\x04\x82\x03\x08\x00\x00\x00\x00\x00\x00\xf0\x3f"),
    shown("out-of-order", raw=b"\x12\x01b\x08\x01"),
    shown("negative-enum", raw=b"\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    shown("bad-twice", want="502", raw=b"\x08\x01\x08\x02"),
    shown("bad-utf8", want="502", raw=b"\x12\x01\xff"),
    shown("bad-cut", want="502", raw=b"\x12\x05ab"),
    shown("bad-varint", want="502", raw=b"\x08\xff"),
    shown("bad-wire-type", want="502", raw=b"\x0d\x01\x02\x03\x04"),
    shown("bad-wire-type-64", want="502", raw=b"\x09\x01\x02\x03\x04\x05\x06\x07\x08"),
    shown("bad-varint-type", want="502", raw=b"\x10\x01"),
    shown("bad-wire-7", want="502", raw=b"\x0f\x01"),
    shown("bad-bool", want="502", raw=b"\x40\x05"),
    shown("bad-end-group", want="502", raw=b"\x0c"),
    shown("bad-group", want="502", raw=b"\x0b\x0c"),
    shown("bad-timestamp", want="502", printed=timestamp_pb2.Timestamp(seconds=-62135596801)),
    shown("bad-timestamp-late", want="502", printed=timestamp_pb2.Timestamp(seconds=253402300800)),
    shown("bad-duration", want="502", loan=duration_pb2.Duration(seconds=315576000001)),
    shown("bad-duration-signs", want="502", loan=duration_pb2.Duration(seconds=1, nanos=-1)),
    shown("bad-value", want="502", anything=struct_pb2.Value(number_value=float("nan"))),
    shown("bad-value-infinity", want="502", anything=struct_pb2.Value(number_value=float("inf"))),
)  # fmt: skip
