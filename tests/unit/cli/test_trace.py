"""`pyvoy trace` where there is nobody to ask."""

import argparse
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pyvoy.cli.trace import main
from tests.support.ports import free_port


class Quiet(BaseHTTPRequestHandler):
    """A service that answers everything."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture
def service():
    server = HTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_proxy_that_is_not_there(capsys):
    port = free_port()
    assert main([f"http://127.0.0.1:{port}/"], argparse.ArgumentParser) == 1
    assert capsys.readouterr().err == f"pyvoy trace: 127.0.0.1:{port} refused the connection\n"


def test_an_admin_that_is_elsewhere(capsys, service):
    admin = f"127.0.0.1:{free_port()}"
    assert main([f"http://127.0.0.1:{service}/", "--admin", admin], argparse.ArgumentParser) == 1
    assert (
        capsys.readouterr().err == f"pyvoy trace: the admin {admin} refused the connection; --admin says where it is\n"
    )
