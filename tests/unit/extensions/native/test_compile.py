"""Filters of the lower level, and what happens when a filter of either level fails."""

import logging
import sys

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.testing.playbook import (
    after,
    cut,
    data,
    forwarded,
    forwarded_data,
    forwarded_trailers,
    headers,
    held,
    reply,
    reset,
    response,
    response_data,
    response_trailers,
    sent,
    sent_data,
    sent_trailers,
    trailers,
    upstream_cut,
    whole_response,
)  # fmt: skip
from tests.unit.extensions.native.python_play import python

ERRORS = "http.test.python.F.errors"


def test_every_event_of_a_stream():
    p = python("""
        class F(StreamFilter):
            def note(self, stream, text):
                stream.request_headers.add(b"x-seen", text)
            def on_request_headers(self, stream, headers, end):
                self.note(stream, b"headers%d" % end)
            def on_request_data(self, stream, data, end):
                stream.replace_request_data(self, data.upper())
            def on_request_trailers(self, stream, trailers):
                trailers.set(b"x-t", b"2")
            def on_response_headers(self, stream, headers, end):
                headers.set(b"x-r", b"1")
                return CONTINUE
            def on_response_data(self, stream, data, end):
                stream.replace_response_data(self, data.upper())
            def on_response_trailers(self, stream, trailers):
                trailers.set(b"x-t", b"3")
            def on_log(self, stream):
                self.counter("logged").inc()
            def on_destroy(self, stream):
                self.counter("destroyed").inc()
    """)
    p >> headers("POST") << forwarded(x_seen="headers0")
    p >> data(b"a") << forwarded_data(b"A")
    p >> trailers(x_t="1") << forwarded_trailers(x_t="2")
    p >> response(200) << sent(200, x_r="1")
    p >> response_data(b"b") << sent_data(b"B")
    p >> response_trailers(x_t="1") << sent_trailers(x_t="3")
    p.end()
    assert p.counter("http.test.python.F.logged") == p.counter("http.test.python.F.destroyed") == 1


def test_statuses_of_the_chain():
    p = python("""
        class F(StreamFilter):
            def on_request_headers(self, stream, headers, end):
                return CONTINUE if end else STOP
            def on_request_data(self, stream, data, end):
                if not end:
                    return STOP_AND_BUFFER
                stream.add_request_data(self, b"!")
                return CONTINUE
    """)
    p >> headers("POST") << held()
    p >> data(b"a") << held()
    p >> data(b"b", end=True) << forwarded() << forwarded_data(b"ab!", end=True)
    p.end()


def test_coroutines_on_the_lower_level():
    p = python("""
        import asyncio
        class F(StreamFilter):
            async def on_request_headers(self, stream, headers, end):
                headers.set(b"x-a", b"1")
            async def on_response_headers(self, stream, headers, end):
                await asyncio.sleep(1)
                headers.set(b"x-b", b"1")
                return CONTINUE
    """)
    p >> headers() << forwarded(x_a="1")
    p >> response(200, end=True) << held()
    p >> after(1) << sent(200, x_b="1", end=True)
    p.end()


def test_a_local_reply_can_be_changed():
    p = python("""
        class F(StreamFilter):
            def on_request_headers(self, stream, headers, end):
                stream.send_local_reply(403, b"no", details="d")
                return STOP
            def on_local_reply(self, stream, reply):
                reply.status = 451
    """)
    p >> headers() << reply(451, b"no", detail="d")
    p.end()


RAISES = {
    "raise": "raise ValueError('broken')",
    "exit": "import sys; sys.exit(3)",
    "interrupt": "raise KeyboardInterrupt",
    "recursion": "f = lambda: f()\n                f()",
    "verdict": "return True",
    "text header": "headers.set('x', 'y')",
    "split": "headers.set(b'x', b'y\\r\\nz: 1')",
    "text reply": "stream.send_local_reply(403, 'text', details='d')",
    "cancelled": "import asyncio; raise asyncio.CancelledError",
    "exit group": "raise BaseExceptionGroup('g', [SystemExit(1)])",
}


@pytest.mark.parametrize("what", RAISES.values(), ids=RAISES)
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_failure_is_answered_500_and_counted(what, kind):
    p = python(f"""
        class F(StreamFilter):
            {kind} on_request_headers(self, stream, headers, end):
                {what}
    """)
    p >> headers() << reply(500, b"", detail="extension_failed{F}")
    assert p.counter(ERRORS) == 1
    p.end()


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("wait", ["", "import asyncio; await asyncio.sleep(1)"])
def test_a_failure_of_the_upper_level(kind, wait):
    if wait and kind == "def":
        return
    p = python(f"""
        class F(Filter):
            {kind} on_request(self, request):
                {wait}
                request.headers["x"] = "a\\r\\nb"
    """)
    p >> headers() >> after(1)
    assert p.stage.stream.info.response_code_details == "extension_failed{F}"
    assert p.counter(ERRORS) == 1
    p.end()


@pytest.mark.parametrize("answer", ["1", "'text'", "Response(99)", "Response(200, 5)", "{'status': 200}"])
def test_an_answer_that_is_none(answer):
    p = python(f"""
        class F(Filter):
            async def on_request(self, request):
                return {answer}
    """)
    p >> headers() << reply(500)
    assert p.counter(ERRORS) == 1
    p.end()


def test_a_failure_in_a_response_that_has_begun_cuts_it():
    p = python("""
        class F(StreamFilter):
            def on_response_data(self, stream, data, end):
                raise ValueError
    """)
    p >> headers() << forwarded()
    p >> response(200) << sent(200)
    p >> response_data(b"x") << cut() << upstream_cut()
    p.end()


def test_a_failure_at_the_end_of_the_stream_harms_nobody():
    p = python("""
        class F(StreamFilter):
            def on_log(self, stream):
                raise ValueError
            def on_destroy(self, stream):
                raise SystemExit
    """)
    p >> headers() << forwarded()
    p >> response(200, end=True) << sent(200)
    assert p.counter(ERRORS) == 2
    p.end()


def test_fail_open_goes_on_without_the_filter():
    p = python(
        """
        class F(StreamFilter):
            def on_request_headers(self, stream, headers, end):
                headers.set(b"x-a", b"1")
                raise ValueError
            def on_request_data(self, stream, data, end):
                raise ValueError
            def on_response_headers(self, stream, headers, end):
                raise ValueError
    """,
        failure_policy="FAIL_OPEN",
    )
    p >> headers("POST") << forwarded(x_a="1")
    p >> data(b"a", end=True) << forwarded_data(b"a", end=True)
    p >> response(200, end=True) << sent(200)
    assert p.counter(ERRORS) == p.counter("http.test.python.F.failed_open") == 1
    p.end()


def test_fail_open_on_the_upper_level():
    p = python(
        """
        import asyncio
        class F(Filter):
            async def on_request(self, request):
                await request.body()
                raise ValueError
            async def on_response(self, response):
                raise ValueError
    """,
        failure_policy="FAIL_OPEN",
    )
    p >> headers("POST") << held()
    p >> data(b"a", end=True) << forwarded() << forwarded_data(b"a", end=True)
    p >> whole_response(200, b"ok") << sent(200) << sent_data(b"ok")
    assert p.counter(ERRORS) == 1
    p.end()


def test_fail_reload_starts_anew(tmp_path):
    file = tmp_path / "f.py"
    file.write_text(
        "from pyvoy.api import *\nclass F(StreamFilter):\n    n = 0\n"
        "    def on_request_headers(self, stream, headers, end):\n"
        "        F.n += 1\n        headers.set(b'x-n', b'%d' % F.n)\n        if F.n == 3: raise ValueError\n"
    )
    p = python("", code={"filename": str(file)}, failure_policy="FAIL_RELOAD")
    p >> headers() << forwarded(x_n="1") >> response(200, end=True)
    p >> headers() << forwarded(x_n="2") >> response(200, end=True)
    p >> headers() << reply(500)
    p >> headers() << forwarded(x_n="1") >> response(200, end=True)
    assert p.counter("http.test.python.F.reloads") == 1
    p.end()


def test_fail_reload_with_code_that_has_gone_bad(tmp_path):
    file = tmp_path / "f.py"
    file.write_text(
        "from pyvoy.api import *\nclass F(StreamFilter):\n"
        "    def on_request_headers(self, stream, headers, end):\n        raise ValueError\n"
    )
    p = python("", code={"filename": str(file)}, failure_policy="FAIL_RELOAD")
    file.write_text("class F(:\n")
    p >> headers() << reply(500)
    p >> headers() << reply(500)
    assert p.counter("http.test.python.F.reload_failures") == 1
    p.end()


def test_an_instance_that_cannot_be_made():
    code = """
        class F(StreamFilter):
            def __init__(self):
                raise ValueError
            def on_request_headers(self, stream, headers, end):
                headers.set(b"x-a", b"1")
    """
    p = python(code)
    p >> headers() << reply(500, detail="extension_failed{F}")
    p.end()
    p = python(code, failure_policy="FAIL_OPEN")
    p >> headers() << forwarded(x_a=None)
    p.end()


def test_the_log_gets_each_distinct_error_once(caplog):
    p = python("""
        class F(StreamFilter):
            def on_request_headers(self, stream, headers, end):
                if b"x-other" in headers:
                    raise KeyError("other")
                raise ValueError("broken")
    """)
    with caplog.at_level(logging.WARNING, "pyvoy.python"):
        for _ in range(3):
            p >> headers() << reply(500)
        p >> headers(x_other="1") << reply(500)
    assert p.counter(ERRORS) == 4
    assert len(caplog.records) == 2
    assert 'raise ValueError("broken")' in caplog.text
    p.end()


def test_a_coroutine_is_cancelled_with_its_stream_and_that_is_no_failure():
    p = python("""
        import asyncio
        class F(StreamFilter):
            async def on_request_headers(self, stream, headers, end):
                await asyncio.sleep(100)
    """)
    p >> headers() << held()
    p >> reset() << held()
    assert p.counter(ERRORS) == 0
    p.end()


CONFIG = """
    from dataclasses import dataclass
    @dataclass
    class Config:
        text: str
        n: int = 1
    class F(StreamFilter):
        config: Config
        def on_request_headers(self, stream, headers, end):
            headers.set(b"x-c", (self.config.text * self.config.n).encode())
"""


def test_the_configuration_is_a_dataclass():
    p = python(CONFIG, config={"text": "ab", "n": 2})
    p >> headers() << forwarded(x_c="abab")
    p.end()


def test_a_route_has_its_own():
    p = python(CONFIG, config={"text": "ab", "n": 2}, route={"text": "r"})
    p >> headers() << forwarded(x_c="r")
    p.end()


def test_without_a_dataclass_it_is_the_mapping():
    p = python(
        """
        class F(Filter):
            def on_request(self, request):
                request.headers["x-c"] = repr(self.config)
    """,
        config={"a": [1, "2.5", None, {"b": True}]},
    )
    p >> headers() << forwarded(x_c="{'a': [1, '2.5', None, {'b': True}]}")
    p.end()


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("class F(:", "<inline python of http_filters[0]>:2: invalid syntax"),
        ("x = 1 / 0", "<inline python of http_filters[0]>:2: ZeroDivisionError: division by zero"),
        ("", "there is no filter: no class of the code is derived from Filter or StreamFilter"),
        ("class A(Filter): pass\nclass B(Filter): pass", "say which class is meant: there is A, B"),
        ("class A(Filter): pass", "A defines no event"),
        (
            "class A(Filter):\n  def on_request(self, r): pass\n  def on_request_headers(self, *a): pass",
            "mixes the levels",
        ),
        ("class A(StreamFilter):\n  async def on_log(self, stream): pass", "decides nothing"),
        ("class A(Filter):\n  config: 'Nothing'\n  def on_request(self, r): pass", "name 'Nothing' is not defined"),
        ("class A(Filter):\n  config: int\n  def on_request(self, r): pass", "must be a dataclass"),
        (
            "class A(Filter):\n  def on_request(self, r): pass\n  @classmethod\n  def on_load(cls): 1 / 0",
            "http_filters[0]>:5: on_load: ZeroDivisionError: division by zero",
        ),
        (
            "class A(NetworkFilter):\n  def on_close(self, c): pass",
            "there is no filter for this place: A is no Filter or StreamFilter",
        ),
        ("class A(Filter):\n  async def on_request(self): pass", "A.on_request is called with 1 argument: (request)"),
        (
            "class A(StreamFilter):\n  def on_request_headers(self, headers): pass",
            "A.on_request_headers is called with 3 arguments: (stream, headers, end)",
        ),
        (
            "class A(Filter):\n  def __init__(self, x): pass\n  def on_request(self, request): pass",
            "A.__init__ is called without arguments",
        ),
        (
            "class A(Filter):\n  def on_request(self, r): pass\n  def on_reponse(self, r): pass",
            'A.on_reponse is no event; did you mean "on_response"?',
        ),
        ("class A(Filter):\n  def on_requests(self, r): pass", 'no event; did you mean "on_request"?'),
    ],
)
def test_what_is_wrong_is_said_at_load(code, text):
    with pytest.raises(ConfigErrors, match=r"(?s)error: .*in http_filters") as caught:
        python("", code={"inline_string": "from pyvoy.api import *\n" + code})  # a problem of this filter
    assert text in str(caught.value)


def test_what_is_wrong_with_the_fields():
    with pytest.raises(ConfigErrors, match="needs one of module, filename, inline_string"):
        python("", code={})
    with pytest.raises(ConfigErrors, match=r"cannot read '/nothing.py': No such file or directory"):
        python("", code={"filename": "/nothing.py"})
    with pytest.raises(ConfigErrors, match="nothing_there: ModuleNotFoundError: No module named 'nothing_there'"):
        python("", code={"module": "nothing_there"})
    with pytest.raises(ConfigErrors, match="there is no class 'X'; there is F"):
        python(CONFIG, **{"class": "X"}, config={"text": ""})


def test_wrong_configuration_is_reported_at_its_place():
    with pytest.raises(ConfigErrors) as caught:
        python(CONFIG, config={"txt": "a", "n": 1.5})
    text = str(caught.value)
    assert "Config has no field 'txt'; did you mean \"text\"?" in text
    assert "n must" not in text
    assert "must be a whole number, not '1.5'" in text
    assert "text is required" in text
    assert "config.n" in text
    with pytest.raises(ConfigErrors, match="text is required"):
        python(CONFIG, config={"text": "x"}, route={})


TWO = """
from dataclasses import dataclass
from pyvoy.api import *

@dataclass
class Config:
    text: str = "default"

class A(Filter):
    config: Config
    def on_request(self, request):
        request.headers["x-c"] = "A " + self.config.text

class B(StreamFilter):
    def on_request_headers(self, stream, headers, end):
        headers.set(b"x-c", b"B " + str(dict(self.config)).encode())
"""


@pytest.mark.parametrize("kind", ["module", "filename", "inline_string"])
@pytest.mark.parametrize("route", [None, {"text": "route"}])
@pytest.mark.parametrize("name", ["A", "B"])
def test_every_place_of_code_with_a_class_by_name(tmp_path, monkeypatch, kind, route, name):
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    (tmp_path / "two_filters.py").write_text(TWO)
    code = {"module": "two_filters", "filename": str(tmp_path / "two_filters.py"), "inline_string": TWO}[kind]
    try:
        p = python("", code={kind: code}, **{"class": name}, config={"text": "own"}, route=route)
    finally:
        sys.modules.pop("two_filters", None)
    text = "own" if route is None else "route"
    p >> headers() << forwarded(x_c=f"A {text}" if name == "A" else f"B {{'text': '{text}'}}")
    p.end()


@pytest.mark.parametrize("call", ["replace_request_data(self, 'x')", "inject_request_data(self, 'x', end)",
                                  "add_request_data(self, 'x')", "replace_request_body(self, 'x')"])  # fmt: skip
def test_data_that_is_no_bytes_is_the_filters_failure(call, caplog):
    p = python(f"""
        class F(StreamFilter):
            def on_request_data(self, stream, data, end):
                stream.{call}
    """)
    p >> headers("POST")
    p >> data(b"a", end=True) << reply(500, detail="extension_failed{F}")
    assert "TypeError: data is bytes on this level, not str" in caplog.text


def test_data_of_a_response_that_is_no_bytes_is_the_filters_failure(caplog):
    p = python("""
        class F(StreamFilter):
            def on_response_headers(self, stream, headers, end):
                return STOP
            def on_response_data(self, stream, data, end):
                stream.replace_response_data(self, "x")
    """)
    p >> headers(end=True)
    p >> whole_response(200, b"a") << reply(500, detail="extension_failed{F}")
    assert "TypeError: data is bytes on this level, not str" in caplog.text
