"""A book shop as a gRPC service with HTTP rules: what the tests of the transcoder call."""

# ruff: noqa: E501 - a table: a method reads best on its own line

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tests.support.protos import descriptor_set, package

MESSAGES = {
    "Author": "string first_name = 1; string last_name = 2; int32 year = 3",
    "Book": """
        int64 id = 1; string title = 2; Author author = 3; repeated string tags = 4; Genre genre = 5; double price = 6;
        float weight = 7; bool sold = 8; bytes cover = 9; uint32 pages = 10; map<string, int32> stock = 11;
        map<int32, Author> editors = 12; google.protobuf.Timestamp printed = 13; google.protobuf.Duration loan = 14;
        google.protobuf.Struct extra = 15; google.protobuf.Any note = 16; google.protobuf.StringValue subtitle = 17;
        google.protobuf.FieldMask mask = 18; string paper = 19 in kind; int32 disk = 20 in kind;
        optional int32 edition = 21; google.protobuf.Value anything = 22; google.protobuf.ListValue list = 23;
        repeated Book related = 24; google.protobuf.Int64Value copies = 25; google.protobuf.BoolValue signed = 26;
        repeated int32 ratings = 27; uint64 big = 28; repeated Genre genres = 29;
        google.protobuf.NullValue nothing = 30; string PascalName = 31; sint32 delta = 32; sint64 long_delta = 33;
        fixed32 f32 = 34; fixed64 f64 = 35; sfixed32 sf32 = 36; sfixed64 sf64 = 37;
        map<string, google.protobuf.Value> facts = 38; repeated google.protobuf.Value things = 39;
        map<bool, Genre> by_flag = 40; google.protobuf.DoubleValue rate = 41; google.protobuf.FloatValue ratio = 42;
        google.protobuf.UInt64Value huge = 43; google.protobuf.Int32Value small = 44;
        google.protobuf.UInt32Value count = 45; google.protobuf.BytesValue raw = 46;
        repeated google.protobuf.Timestamp seen = 47; repeated double doubles = 48; google.protobuf.Empty empty = 49;
        map<string, google.protobuf.Timestamp> times = 50; map<int64, string> longs = 51
    """,
    "BookRequest": "string shelf = 1; int64 id = 2; Book book = 3; string view = 4; repeated string read = 5; Nested nested = 6",
    "Nested": "Deep deep = 1; string name = 2; repeated int32 numbers = 3",
    "Deep": "string leaf = 1; int32 depth = 2; bool flag = 3; Genre genre = 4; repeated string many = 5",
    "FileRequest": "string name = 1; google.api.HttpBody content = 2; Deep deep = 3",
    "FileAnswer": "string name = 1; google.api.HttpBody content = 2",
}
ENUMS = {"Genre": "GENRE_UNKNOWN = 0; FICTION = 1; SCIENCE_TEXT = 2"}
HTTP_BODY = "google.api.HttpBody"
METHODS = {
    "Get": ("BookRequest", "Book", {"get": "/v1/shelves/{shelf}/books/{id}", "additionalBindings": [{"get": "/v1/books/{id}"}]}),
    "Create": ("BookRequest", "Book", {"post": "/v1/shelves/{shelf}/books", "body": "book"}),
    "Replace": ("BookRequest", "Book", {"put": "/v1/books/{id}", "body": "book"}),
    "Change": ("BookRequest", "Book", {"patch": "/v1/books/{book.id}", "body": "book"}),
    "Remove": ("BookRequest", "google.protobuf.Empty", {"delete": "/v1/books/{id}"}),
    "Echo": ("Book", "Book", {"post": "/echo", "body": "*"}),
    "Whole": ("BookRequest", "Book", {"post": "/whole/{shelf}", "body": "*"}),
    "Bare": ("BookRequest", "Book", {"post": "/bare"}),
    "Find": ("BookRequest", "Book", {"custom": {"kind": "SEARCH", "path": "/v1/find"}}),
    "Any": ("BookRequest", "Book", {"custom": {"kind": "*", "path": "/any"}}),
    "Archive": ("BookRequest", "Book", {"post": "/v1/books/{id}:archive"}),
    "Tree": ("BookRequest", "Book", {"get": "/tree/{shelf=**}"}),
    "TreeEnd": ("BookRequest", "Book", {"get": "/long/{shelf=a/**}/end"}),
    "Pair": ("BookRequest", "Book", {"get": "/pair/{shelf=rooms/*/shelves/*}"}),
    "Deep": ("BookRequest", "Book", {"get": "/deep/{nested.deep.leaf}"}),
    "Star": ("BookRequest", "Book", {"get": "/star/*/x"}),
    "Title": ("BookRequest", "Book", {"post": "/title", "body": "book.title"}),
    "Reads": ("BookRequest", "Book", {"post": "/reads", "body": "read"}),
    "Twice": ("BookRequest", "Book", {"get": "/twice"}),
    "TwiceAgain": ("BookRequest", "Book", {"get": "/twice"}),
    "BadVariable": ("BookRequest", "Book", {"get": "/bad/{absent}"}),
    "Auto": ("BookRequest", "Book", None),
    "Count": ("BookRequest", "stream Book", {"get": "/count"}),
    "Join": ("stream BookRequest", "Book", {"post": "/join", "body": "*"}),
    "JoinBooks": ("stream BookRequest", "Book", {"post": "/join/{shelf}", "body": "book"}),
    "Chat": ("stream Book", "stream Book", {"post": "/chat", "body": "*"}),
    "Upload": (HTTP_BODY, "Book", {"post": "/upload", "body": "*"}),
    "UploadNamed": ("FileRequest", "Book", {"post": "/upload/{name}", "body": "content"}),
    "UploadPieces": (f"stream {HTTP_BODY}", "Book", {"post": "/pieces", "body": "*"}),
    "Download": ("BookRequest", HTTP_BODY, {"get": "/download"}),
    "DownloadNamed": ("BookRequest", "FileAnswer", {"get": "/download/named", "responseBody": "content"}),
    "DownloadPieces": ("BookRequest", f"stream {HTTP_BODY}", {"get": "/download/pieces"}),
}  # fmt: skip
SHOP = package("shop.v1", MESSAGES, enums=ENUMS, services={"Shop": METHODS})
SET = descriptor_set(SHOP)


@cache
def pool() -> Any:
    """A pool of the shop's files and of what they import."""
    made = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(SET).file:
        made.Add(file)
    return made


@cache
def message(name: str) -> Any:
    """The class of a message of the shop, or of what it imports."""
    full = name if "." in name else f"shop.v1.{name}"
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(full))


def framed(message: Any, flag: int = 0) -> bytes:
    """A message (or its bytes) as gRPC sends it."""
    body = message if isinstance(message, bytes) else message.SerializeToString(deterministic=True)
    return bytes((flag,)) + len(body).to_bytes(4, "big") + body
