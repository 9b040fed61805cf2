"""A backtest engine behind HTTP, in any language: `docs/engines/http.md` is the protocol.

The engine says what is asked and what an answer means; `http_exchange` sends, waits and tries again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from strategy_optimizer.engines.base import Engine, EngineRun
from strategy_optimizer.engines.division import checked_holdout
from strategy_optimizer.engines.http_exchange import Answer, Endpoint, Exchange, Patience
from strategy_optimizer.errors import EngineError, SpaceError
from strategy_optimizer.space import ParameterSpace

PROTOCOL_VERSION = 1
KEY_VARIABLE = "STRATEGY_OPTIMIZER_ENGINE_KEY"


class HttpEngine(Engine):
    """Backtests by asking a service.

    Parameters
    ----------
    url : str
        Where the engine answers; requests go to ``{url}/backtests`` and ``{url}/health``.
    space : ParameterSpace, optional
        What may be tried; else what the service declares.
    key : str, optional
        Sent as ``Authorization: Bearer``. Without it the environment variable `key_variable` is read in each process,
        so that the key is in no file and no message to a worker. It is in no digest, label or error.
    key_variable : str
    label : str, optional
        Names the task for people and to the service.
    revision : str
        Whatever identifies the service's code and data, for a service that does not say so itself: another text means
        that results of earlier trials are not taken again.
    connect_timeout, read_timeout : float
        Seconds to wait for a connection, and for the whole of one answer. A service whose backtests take longer
        answers 202, or gets more.
    deadline : float
        Seconds that one trial may take, repeats and waiting included.
    retries : int
        How often a request is sent again when the service cannot be reached, breaks off, or answers 429, 502, 503 or
        504. No answer in time, another 5xx, and a success without JSON are asked for once more; before the search
        silence is final. Other answers are final.
    backoff : float
        Seconds before the first repeat; they double each time up to 30, and a quarter of them is random.
    allow_plain_http : bool
        Send a key over ``http://`` to another machine.

    Notes
    -----
    A request that is repeated has the same idempotency key, and so has another trial of the same parameters: a
    service that keeps its results by that key computes nothing twice.
    """

    def __init__(
        self,
        url: str,
        space: ParameterSpace | None = None,
        *,
        key: str | None = None,
        key_variable: str = KEY_VARIABLE,
        label: str | None = None,
        revision: str = "",
        connect_timeout: float = 5.0,
        read_timeout: float = 120.0,
        deadline: float = 3600.0,
        retries: int = 4,
        backoff: float = 0.5,
        allow_plain_http: bool = False,
    ) -> None:
        if space is not None and not isinstance(space, ParameterSpace):
            raise EngineError(f"space is {space!r} ({type(space).__name__}); expected a ParameterSpace")
        self._endpoint = Endpoint.parse(url, key, key_variable, allow_plain_http)
        self._patience = Patience(connect_timeout, read_timeout, deadline, retries, backoff)
        self._space = space
        self._revision = str(revision)
        self._window = (0.0, 1.0)
        self._health: Mapping[str, Any] | None = None
        self._exchange: Exchange | None = None
        self.label = label or f"HTTP: {self._endpoint.url}"

    # -- what an engine is -------------------------------------------------------------------------------------

    def run(self, parameters: Mapping[str, Any]) -> EngineRun:
        """Post the parameters, wait for the answer and check it."""
        return self._post(parameters, self._connection())

    def try_out(self, parameters: Mapping[str, Any]) -> EngineRun:
        """Run them, but ask a service that stays silent only once: it may never answer, and a user waits."""
        exchange = Exchange(self._endpoint, self._patience, repeats_silence=False)
        try:
            return self._post(parameters, exchange)
        finally:
            exchange.close()

    def longest_try(self) -> float | None:
        """Return the seconds for one answer."""
        return self._patience.read_timeout

    def check(self) -> None:
        """Ask the service for its health: whether anybody answers, takes the key and speaks this protocol."""
        if not self._endpoint.has_key and self._endpoint.key_variable != KEY_VARIABLE:
            raise EngineError(f"the environment variable {self._endpoint.key_variable} holds no key")
        self._health = self._asked_health()

    def digest(self) -> str:
        """Return the digest of address, window, and what the service says of its code and data.

        Raises
        ------
        EngineError
            When the service does not answer.
        """
        health = self._known_health()
        said = [str(health.get(name, "")) for name in ("engine", "digest")]
        identity = [self._endpoint.url, repr(self._window), self._revision, *said]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()

    def data_digest(self) -> str | None:
        """Return what the service calls its bars; None where it does not say."""
        said = self._known_health().get("data")
        return None if said is None else str(said)

    def space(self) -> ParameterSpace | None:
        """Return the space that was given, or the one that the service declares."""
        if self._space is None and (declared := self._known_health().get("parameter_space")):
            try:
                constraints = list(self._known_health().get("constraints") or [])
                return ParameterSpace.from_json(declared, name=self.label, constraints=constraints)
            except (SpaceError, TypeError) as error:
                raise EngineError(
                    f"the engine at {self._endpoint.url} declares a parameter space that is not valid: {error}"
                ) from error
        return self._space

    def divide(self, holdout: float) -> tuple[Engine, Engine | None]:
        """Return the engine on the first and on the last part of the service's bars, where it can do that."""
        share = checked_holdout(holdout)
        if share == 0.0 or not self._known_health().get("windows"):
            return self, None
        return self._on(0.0, 1.0 - share, self.label), self._on(1.0 - share, 1.0, f"{self.label}, held out")

    def versions(self) -> dict[str, str]:
        """Return what the service calls itself."""
        said = self._known_health().get("engine")
        return {"engine": str(said)} if said else {}

    # -- details -----------------------------------------------------------------------------------------------

    def _post(self, parameters: Mapping[str, Any], exchange: Exchange) -> EngineRun:
        request = self._request(parameters)
        return _as_run(exchange.post("/backtests", request, request["idempotency_key"]))

    def _request(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        plain = {name: _plain(name, value) for name, value in parameters.items()}
        identity = json.dumps([self.digest(), plain], sort_keys=True)
        return {
            "version": PROTOCOL_VERSION,
            "task": self.label,
            "parameters": plain,
            "window": list(self._window),
            "idempotency_key": hashlib.sha256(identity.encode()).hexdigest(),
        }

    def _on(self, start: float, stop: float, label: str) -> HttpEngine:
        part = object.__new__(HttpEngine)
        part.__dict__ = {**self.__getstate__(), "_window": (start, stop), "label": label}
        return part

    def _connection(self) -> Exchange:
        if self._exchange is None or self._exchange.process != os.getpid():
            self._exchange = Exchange(self._endpoint, self._patience)
        return self._exchange

    def _known_health(self) -> Mapping[str, Any]:
        if self._health is None:
            self._health = self._asked_health()
        return self._health

    def _asked_health(self) -> Mapping[str, Any]:
        """Return what the service says of itself. One repeat: a user waits for this."""
        quick = replace(self._patience, read_timeout=min(self._patience.read_timeout, 30.0), retries=1)
        exchange = Exchange(self._endpoint, quick)
        try:
            answer = exchange.get("/health")
        finally:
            exchange.close()
        url = self._endpoint.url
        if answer.status in (404, 405):
            raise EngineError(
                f"something answers at {url}, but it has no /health; expected a backtest engine"
            )
        try:
            health = _content(answer)
        except EngineError as error:
            if answer.status in (401, 403):
                raise
            raise EngineError(
                f"{error}; expected a backtest engine's health as JSON: correct the address, or see what the "
                "service says of it"
            ) from error
        version = health.get("version")
        if not isinstance(version, int):
            raise EngineError(
                f"something answers at {url}, but no backtest engine: its /health says {answer.shown()}; expected "
                f'"version": {PROTOCOL_VERSION} in it (a service of strategy-optimizer has its engines at '
                f"{url}/api/v1/engines/STRATEGY/DATA)"
            )
        if version != PROTOCOL_VERSION:
            raise EngineError(
                f"the engine at {url} speaks version {version!r} of the protocol; expected {PROTOCOL_VERSION}"
            )
        return health

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_exchange": None}  # a connection belongs to one process


def _plain(name: str, value: Any) -> Any:
    """Return a parameter as JSON has it: NumPy's scalars become Python's."""
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, (bool, int, float, str)):
        raise EngineError(
            f"the parameter '{name}' is {value!r} ({type(value).__name__}); expected a number, text or bool"
        )
    return value


def _content(answer: Answer) -> dict[str, Any]:
    """Return the JSON object of a successful answer; else raise what the service said."""
    content = answer.json()
    if answer.status >= 400 or (isinstance(content, dict) and content.get("error")):
        raise EngineError(_refusal(answer, content))
    if answer.status != 200:
        raise EngineError(f"{answer.where} answered {answer.status}; expected 200")
    if not isinstance(content, dict):
        raise EngineError(f"{answer.where} answered {answer.shown()}; expected a JSON object")
    return content


def _refusal(answer: Answer, content: Any) -> str:
    if answer.status in (401, 403):
        hint = "refuses the key" if answer.with_key else "wants a key"
        return f"{answer.where} answered {answer.status}: it {hint} ({answer.how_to_give_a_key})"
    problem = content if isinstance(content, dict) else {}
    error = problem.get("error") or problem.get("detail")  # ours, or that of RFC 9457
    said = str(error) if error else answer.shown()
    return said if answer.status in (200, 422) else f"{answer.where} answered {answer.status}: {said}"


def _as_run(answer: Answer) -> EngineRun:
    """Return the metrics of an answer. JSON has no NaN: null stands for it."""
    content = _content(answer)
    if content.get("version", PROTOCOL_VERSION) != PROTOCOL_VERSION:
        raise EngineError(
            f"{answer.where} answered in version {content['version']!r} of the protocol; "
            f"expected {PROTOCOL_VERSION}"
        )
    if "metrics" not in content:
        raise EngineError(f"{answer.where} answered without 'metrics': {answer.shown()}")
    metrics = content["metrics"]
    if isinstance(metrics, dict):
        metrics = {name: float("nan") if value is None else value for name, value in metrics.items()}
    return EngineRun(metrics, content.get("returns"))
