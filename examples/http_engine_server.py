"""A backtest engine behind HTTP: the momentum strategy, as docs/engines/http.md asks of an engine.

    python examples/http_engine_server.py --port 8765

It needs nothing but this package and listens on this machine only. With a key in STRATEGY_OPTIMIZER_ENGINE_KEY it
answers those who send it; with --asynchronous it takes an order at once and is asked for the result later.
"""

import argparse
import hmac
import json
import math
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from strategy_optimizer import Costs, Rules, get_strategy, load_bars, run_backtest
from strategy_optimizer.errors import StrategyOptimizerError

VERSION = 1
LARGEST_REQUEST = 2**20
RESULTS_KEPT = 1000


class MomentumEngine:
    """Backtests the momentum strategy; keeps its last results by idempotency key."""

    def __init__(self):
        self.strategy, self.bars = get_strategy("momentum"), load_bars("nasdaq")
        self.costs = Costs(commission=0.0005, slippage=0.0002)
        self.pool = ThreadPoolExecutor(max_workers=2)
        self.results = {}
        self.lock = threading.Lock()

    def health(self):
        """Return what GET /health says."""
        space = self.strategy.space()
        return {
            "version": VERSION,
            "engine": "momentum on nasdaq",
            "digest": f"{self.strategy.digest()}-{self.bars.digest}-{self.costs}",
            "data": self.bars.digest,
            "windows": True,
            "parameter_space": {name: p.to_json() for name, p in space.parameters.items()},
        }

    def submit(self, key, request) -> Future:
        """Start a backtest, or return the one that was started with the same key."""
        with self.lock:
            if key not in self.results:
                self.results[key] = self.pool.submit(self.backtest, request["parameters"], request["window"])
                if len(self.results) > RESULTS_KEPT:
                    del self.results[next(iter(self.results))]
            return self.results[key]

    def find(self, key):
        """Return the backtest that was started with a key, or None."""
        with self.lock:
            return self.results.get(key)

    def backtest(self, parameters, window):
        """Return the answer for one set of parameters; JSON has no NaN, so null stands for it."""
        n = self.bars.n_bars
        rules = Rules(costs=self.costs, window=(round(window[0] * n), round(window[1] * n)))
        result = run_backtest(self.strategy, parameters, self.bars, rules)
        metrics = {name: x if math.isfinite(x) else None for name, x in result.metrics.items()}
        equity = result.equity
        return {"version": VERSION, "metrics": metrics, "returns": (equity[1:] / equity[:-1] - 1).tolist()}


class Handler(BaseHTTPRequestHandler):
    """Reads requests and writes answers."""

    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self):
        """Answer /health, and where a backtest stands."""
        if not self.is_allowed():
            return self.answer(401, {"error": "a key is needed"})
        if self.path == "/health":
            return self.answer(200, self.server.engine.health())
        future = self.server.engine.find(self.path.removeprefix("/backtests/"))
        if future is None:
            return self.answer(404, {"error": "there is no such backtest"})
        return self.result_of(future) if future.done() else self.accepted(self.path)

    def do_POST(self):
        """Take a backtest."""
        try:
            length = int(self.headers["Content-Length"])
        except (TypeError, ValueError):
            self.close_connection = True
            return self.answer(411, {"error": "Content-Length is missing"})
        if length > LARGEST_REQUEST:
            self.close_connection = True  # what follows is not read
            return self.answer(413, {"error": f"more than {LARGEST_REQUEST} bytes"})
        body = self.rfile.read(length)
        if not self.is_allowed():
            return self.answer(401, {"error": "a key is needed"})
        if self.path != "/backtests":
            return self.answer(404, {"error": "POST goes to /backtests"})
        try:
            request = checked(json.loads(body))
        except (ValueError, RecursionError) as error:
            return self.answer(400, {"error": str(error)})
        key = request["idempotency_key"]
        future = self.server.engine.submit(key, request)
        return self.accepted(f"/backtests/{key}") if self.server.asynchronous else self.result_of(future)

    def is_allowed(self):
        """Whether the request has the key, if there is one."""
        key = os.environ.get("STRATEGY_OPTIMIZER_ENGINE_KEY")
        sent = self.headers.get("Authorization", "")
        return not key or hmac.compare_digest(sent.encode(), f"Bearer {key}".encode())

    def result_of(self, future):
        """Wait for a backtest and answer with what came out."""
        try:
            self.answer(200, future.result())
        except StrategyOptimizerError as error:  # the parameters are wrong: the trial fails with this text
            self.answer(422, {"error": str(error)})
        except Exception as error:  # a fault of this program
            self.answer(500, {"error": f"{type(error).__name__}: {error}"})

    def accepted(self, path):
        """Say where to ask for the result."""
        self.answer(202, {"status": "running"}, Location=path)

    def answer(self, status, content, **headers):
        """Write one answer."""
        body = json.dumps(content, allow_nan=False).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": len(body),
            **headers,
        }.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing: a search asks thousands of times."""


def checked(request):
    """Return the request, or raise a ValueError that says what is wrong with it."""
    if not isinstance(request, dict) or request.get("version") != VERSION:
        raise ValueError(f"expected an object with version {VERSION}")
    if not isinstance(request.get("parameters"), dict):
        raise ValueError("expected an object of parameters")
    if not isinstance(request.get("idempotency_key"), str):
        raise ValueError("expected an idempotency_key")
    window = request.setdefault("window", [0.0, 1.0])
    numbers = (
        isinstance(window, list) and len(window) == 2 and all(isinstance(x, (int, float)) for x in window)
    )
    if not numbers or not 0 <= window[0] < window[1] <= 1:
        raise ValueError("expected a window of two rising fractions")
    return request


def main():
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free one")
    parser.add_argument("--asynchronous", action="store_true", help="answer 202 and let the client ask again")
    options = parser.parse_args()
    try:
        server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    except (OSError, OverflowError) as error:
        parser.error(f"port {options.port} cannot be used: {error}; give another one, such as --port 0")
    server.engine, server.asynchronous = MomentumEngine(), options.asynchronous
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


if __name__ == "__main__":
    main()
