"""Filters in Python keep the contract of every HTTP filter, on both levels and with every kind of method."""

import pytest
import yaml

from pyvoy.filters.http.python import PythonFilter
from pyvoy.testing.contract import check_http_filter
from tests.unit.extensions.native.python_play import IMPORTS

FILTERS = {
    "lower": """
class F(StreamFilter):
    def on_request_headers(self, stream, headers, end):
        headers.set(b"x-a", b"1")
    def on_response_headers(self, stream, headers, end):
        headers.set(b"x-b", b"1")
    def on_log(self, stream):
        pass
""",
    "lower, waiting": """
import asyncio
class F(StreamFilter):
    async def on_request_headers(self, stream, headers, end):
        await asyncio.sleep(0.01)
    async def on_request_data(self, stream, data, end):
        await asyncio.sleep(0)
    async def on_response_data(self, stream, data, end):
        await asyncio.sleep(0.01)
""",
    "upper": """
class F(Filter):
    async def on_request(self, request):
        request.headers["x-a"] = "1"
    async def on_response(self, response):
        response.headers["x-b"] = "1"
""",
    "upper, waiting": """
import asyncio
class F(Filter):
    async def on_request(self, request):
        await asyncio.sleep(0.01)
    async def on_response(self, response):
        await asyncio.sleep(0.01)
""",
    "upper, bodies": """
class F(Filter):
    async def on_request(self, request):
        request.set_body((await request.body())[::-1])
    async def on_response(self, response):
        response.set_body((await response.body())[::-1])
""",
    "upper, late bodies": """
import asyncio
class F(Filter):
    async def on_request(self, request):
        await asyncio.sleep(0.01)
        await request.body()
    async def on_response(self, response):
        await asyncio.sleep(0.01)
        await response.body()
""",
    "failing": """
class F(Filter):
    async def on_request(self, request):
        await request.body()
        raise ValueError
    async def on_response(self, response):
        raise ValueError
""",
}


@pytest.mark.parametrize("name", [*FILTERS, "failing open"])
def test_contract(name):
    policy = "FAIL_OPEN" if name.endswith(" open") else "FAIL_CLOSED"
    code = FILTERS[name.removesuffix(" open")]
    message = {"code": {"inline_string": IMPORTS + code}, "failure_policy": policy}
    check_http_filter(PythonFilter, yaml.safe_dump(message))
