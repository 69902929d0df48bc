"""gRPC's names, types and times."""

import pytest

from pyvoy.http.grpc import (
    http_status_of,
    is_grpc_request,
    is_grpc_response,
    method_of,
    timeout_text,
)
from pyvoy.http.headers import HeaderMap


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (b"/pkg.Service/Method", ("pkg.Service", "Method")),
        (b"/pkg.Service/Method?a=b", ("pkg.Service", "Method")),
        (b"/one", None),
        (b"/a/b/c", None),
        (b"//b", None),
        (b"a/b", None),
    ],
)
def test_a_path_names_a_method(path, names):
    assert method_of(path) == names


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(b"application/grpc", True), (b"application/grpc+proto", True), (b"application/grpc-web", False), (b"", False)],
)
def test_the_content_type_tells(kind, expected):
    assert is_grpc_request(HeaderMap([(b":path", b"/"), (b"content-type", kind)])) is expected


def test_a_response_without_a_body_must_tell_its_status():
    assert is_grpc_response(HeaderMap([(b":status", b"200"), (b"grpc-status", b"0")]), True)
    assert not is_grpc_response(HeaderMap([(b":status", b"200"), (b"content-type", b"application/grpc")]), True)
    assert not is_grpc_response(HeaderMap([(b":status", b"503"), (b"content-type", b"application/grpc")]), False)


@pytest.mark.parametrize(
    ("timeout_s", "text"),
    [
        (0.0, b"0m"),
        (0.0001, b"1m"),
        (0.25, b"250m"),
        (2.0 - 1.6, b"400m"),
        (99_999.999, b"99999999m"),
        (100_000, b"100000S"),
        (1e8, b"1666666M"),
    ],
)
def test_a_timeout_has_at_most_eight_digits(timeout_s, text):
    assert timeout_text(timeout_s) == text


def test_statuses_in_http():
    assert [http_status_of(status) for status in (0, 5, 14, 99)] == [200, 404, 503, 500]
