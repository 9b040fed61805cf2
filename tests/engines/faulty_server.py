"""A server that does to each request what the test says: slow, wrong, broken off."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HEALTH = {"version": 1, "engine": "test 1"}
METRICS = {"version": 1, "metrics": {"sharpe_ratio": 1.5, "trades": 40}}


def reply(content, status=200, **headers):
    """Answer with JSON, bytes or text; underscores in header names are dashes."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()

    def act(handler):
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return act


def drop(handler):
    """Close the connection without a word."""
    handler.close_connection = True


def break_off(handler):
    """Promise more than is sent."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"version"')
    handler.close_connection = True


def stay_silent(handler):
    """Answer nothing until the test is over."""
    handler.server.over.wait()
    handler.close_connection = True


def drip(handler):
    """Send a byte now and then, each within the time limit of one piece."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    while not handler.server.over.wait(0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def drip_without_length(handler):
    """Send whole JSON, then spaces now and then: where it is cut off it looks like an answer that ended."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    handler.wfile.write(json.dumps(METRICS).encode())
    while not handler.server.over.wait(0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def drip_head(handler):
    """Send the head, too, byte by byte."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not handler.server.over.wait(0.05):
        handler.wfile.write(b"x")
        handler.wfile.flush()


def put_off(handler):
    """Say again and again that the answer will come."""
    while not handler.server.over.wait(0.05):
        handler.wfile.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        handler.wfile.flush()


def flood(handler):
    """Send without an end."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    while not handler.server.over.is_set():
        handler.wfile.write(b"x" * 2**20)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._act(None)

    def do_POST(self):
        self._act(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _act(self, body):
        server = self.server
        with server.lock:
            if self.path == "/health" and not server.plays_health:
                act = reply(HEALTH)
            else:
                server.seen.append((self.command, self.path, dict(self.headers), body))
                act = server.acts.pop(0) if len(server.acts) > 1 else server.acts[0]
        try:
            act(self)
        except OSError:  # the client has gone
            self.close_connection = True

    def log_message(self, *args):
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def n_posts(self):
        return sum(command == "POST" for command, *_ in self.seen)


@contextmanager
def playing(*acts, health=False):
    """Run a server that does the acts one after the other and goes on with the last; /health is well if not played."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.acts, server.seen, server.plays_health = list(acts), [], health
    server.lock, server.over = threading.Lock(), threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
