"""Plans of Python filters over their life: loading anew, routes, the end of a configuration."""

import sys

import pytest
import yaml

from pyvoy.filters.http.python import PythonFilter
from pyvoy.testing.configuring import Configuration
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.playbook import forwarded, headers, reply
from tests.unit.extensions.native.python_play import python

CODE = """
from dataclasses import dataclass
from pyvoy.api import *

@dataclass
class Config:
    text: str = "default"

class F(StreamFilter):
    config: Config

    @classmethod
    def on_load(cls):
        cls.every(1.0, lambda: cls.counter("ticks").inc())

    def on_request_headers(self, stream, headers, end):
        if b"x-fail" in headers:
            raise ValueError
        headers.set(b"x-c", self.config.text.encode())
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "f.py"
    path.write_text(CODE)
    return path


def reloading(file, **more):
    return python("", code={"filename": str(file)}, failure_policy="FAIL_RELOAD", **more)


def test_loaded_anew_it_keeps_its_configuration_and_the_routes(file):
    p = reloading(file, config={"text": "own"}, route={"text": "route"})
    p >> headers() << forwarded(x_c="route")
    file.write_text(CODE.replace("self.config.text.encode()", "(self.config.text * 2).encode()"))
    p >> headers(x_fail="1") << reply(500)
    p >> headers() << forwarded(x_c="routeroute")
    assert p.counter("http.test.python.F.reloads") == 1
    p.end()


def test_its_timers_begin_anew(file):
    p = reloading(file)
    p >> headers(x_fail="1") << reply(500)
    p.stage.advance(3.5)
    assert p.counter("http.test.python.F.ticks") == 3
    p.end()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('text: str = "default"', "text: int = 1"),
        ("class F(", "class F(:"),
        ("cls.every(1.0", "cls.nothing(1.0"),
        ("class F(StreamFilter)", "class F(object)"),
    ],
)
def test_code_that_does_not_fit_any_more_is_not_taken(file, old, new):
    p = reloading(file, config={"text": "own"})
    file.write_text(CODE.replace(old, new))
    p >> headers(x_fail="1") << reply(500)
    p >> headers() << forwarded(x_c="own")
    assert p.counter("http.test.python.F.reload_failures") == 1
    p.end()


def test_a_route_that_does_not_fit_any_more_fails_its_requests(file):
    p = reloading(file, route={"text": "route"})
    file.write_text(CODE.replace('text: str = "default"', "other: int = 1"))
    p >> headers(x_fail="1") << reply(500)
    p >> headers() << reply(500)
    p.end()


def test_a_configuration_that_is_replaced_leaves_nothing_behind(file):
    fakes = FakeServices()
    configuration = Configuration(fakes.scope, fakes.arena, services=fakes.services)
    before = set(sys.modules)
    plan = configuration.http_filter(PythonFilter, yaml.safe_dump({"code": {"filename": str(file)}}))
    module = plan.python.user_class.__module__
    assert module in set(sys.modules) - before
    assert configuration.environment.files == {str(file)}
    fakes.loop.advance(1.5)
    for retire in configuration.environment.retire:
        retire()
    fakes.loop.advance(5)
    assert fakes.counter("http.test.python.F.ticks") == 1
    assert module not in sys.modules
    assert fakes.timers.pending == 0


def test_where_a_configuration_is_only_tried_nothing_begins(file):
    fakes = FakeServices()
    configuration = Configuration(fakes.scope, fakes.arena)
    assert configuration.http_filter(PythonFilter, yaml.safe_dump({"code": {"filename": str(file)}})) is not None
    fakes.loop.advance(5)
    assert fakes.counter("http.test.python.F.ticks") == 0
