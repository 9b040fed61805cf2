"""Run configurations of NautilusTrader's `BacktestNode` as an engine: data come from a catalog, strategies by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from strategy_optimizer.engines.nautilus import (
    NautilusBase,
    Prepared,
    check_names,
    data_digest,
    field_types,
)
from strategy_optimizer.errors import EngineError


class NautilusNodeEngine(NautilusBase):
    """Backtests `BacktestRunConfig`s with parameters in the configurations of their strategies.

    Parameters
    ----------
    configs : BacktestRunConfig or sequence of BacktestRunConfig
        Each parameter replaces the value of its name in the configuration of every strategy that has the field.
        Several runs count as one portfolio of separate accounts, whose equity is the sum.
    interval, currency, label
        As for `NautilusEngine`.

    Notes
    -----
    A `BacktestNode` builds the engines. The data are read from the catalog once in each worker and not once a trial; a
    configuration with ``chunk_size`` cannot be divided and is streamed by the node itself. Logging is off,
    ``raise_exception`` is on.
    """

    def __init__(
        self,
        configs: Any,
        *,
        interval: timedelta = timedelta(days=1),
        currency: str | None = None,
        label: str | None = None,
    ) -> None:
        self._configs = list(configs) if isinstance(configs, Sequence) else [configs]
        if not self._configs:
            raise EngineError("configs is empty; expected at least one BacktestRunConfig")
        for config in self._configs:
            if not hasattr(config, "venues") or not hasattr(config, "data"):
                raise EngineError(f"configs has {config!r}; expected a BacktestRunConfig")
        super().__init__(label or f"NautilusTrader: {self._strategy_names()}", interval, currency)
        self._loaded: dict[int, list[Any]] = {}

    def _strategy_names(self) -> str:
        """Return the strategies' class names; a search needs at least one strategy."""
        strategies = [
            s for config in self._configs for s in (config.engine.strategies if config.engine else ())
        ]
        if not strategies:
            raise EngineError(
                "the run configurations have no strategies; expected BacktestEngineConfig(strategies=["
                "ImportableStrategyConfig(...)]) in engine="
            )
        return ", ".join(dict.fromkeys(s.strategy_path.rpartition(":")[2] for s in strategies))

    def check(self) -> None:
        """Find out whether NautilusTrader is there, and the strategies and data of each configuration."""
        super().check()
        from nautilus_trader.common.config import resolve_config_path, resolve_path

        for number, config in enumerate(self._configs):
            for strategy in config.engine.strategies:
                try:
                    resolve_path(strategy.strategy_path)
                    resolve_config_path(strategy.config_path)
                except (ImportError, AttributeError, ValueError) as error:
                    raise EngineError(f"{strategy.strategy_path} cannot be found: {error}") from error
            if config.chunk_size is None and not any(result.data for result in self._data(number)):
                paths = ", ".join(sorted({str(data.catalog_path) for data in config.data}))
                raise EngineError(f"the catalog {paths} has no data for the run configuration")

    def divide(self, holdout: float) -> tuple[Any, Any]:
        """Cut the data by their moments; what is streamed in chunks is not cut."""
        if any(config.chunk_size is not None for config in self._configs):
            return self, None
        return super().divide(holdout)

    def _prepared(self, parameters: Mapping[str, Any]) -> Iterator[Prepared]:
        from nautilus_trader.backtest.node import BacktestNode

        self._check_parameters(parameters)
        for number, base in enumerate(self._configs):
            config = _with_parameters(base, parameters)
            node = BacktestNode([config])
            try:
                node.build()
                yield self._of_node(node, config, number)
            finally:
                node.dispose()

    def _of_node(self, node: Any, config: Any, number: int) -> Prepared:
        engine = node.get_engine(config.id)
        if config.chunk_size is not None:
            return Prepared(engine, run=node.run)
        for result in self._data(number):
            if result.data:
                engine.add_data(result.data, client_id=result.client_id, sort=True)
        return Prepared(engine, config.start, config.end)

    def _data(self, number: int) -> list[Any]:
        """Return what the catalogs have for a configuration; read once in a process."""
        from nautilus_trader.backtest.node import BacktestNode

        if number not in self._loaded:
            config = self._configs[number]
            self._loaded[number] = [
                BacktestNode.load_data_config(data, config.start, config.end) for data in config.data
            ]
        return self._loaded[number]

    def _check_parameters(self, parameters: Mapping[str, Any]) -> None:
        from nautilus_trader.common.config import resolve_config_path

        strategies = [s for config in self._configs for s in config.engine.strategies]
        fields: dict[str, Any] = {}
        for strategy in strategies:
            fields |= field_types(resolve_config_path(strategy.config_path))
        check_names(parameters, fields, self._strategy_names())

    def _ingredients(self) -> Sequence[Any]:
        from nautilus_trader.common.config import resolve_path

        strategies = [
            resolve_path(s.strategy_path) for config in self._configs for s in config.engine.strategies
        ]
        data = [
            data_digest(result.data) for number in range(len(self._configs)) for result in self._data(number)
        ]
        return (*strategies, [config.json() for config in self._configs], data)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loaded": {}}  # read again where it is used


def _with_parameters(config: Any, parameters: Mapping[str, Any]) -> Any:
    """Return a run configuration with the parameters in its strategies, and without a log."""
    import msgspec
    from nautilus_trader.common.config import resolve_config_path
    from nautilus_trader.config import LoggingConfig

    replace = msgspec.structs.replace
    strategies = []
    for strategy in config.engine.strategies:
        fields = field_types(resolve_config_path(strategy.config_path))
        own = {name: value for name, value in parameters.items() if name in fields}
        strategies.append(replace(strategy, config={**strategy.config, **own}))
    engine = replace(config.engine, strategies=strategies, logging=LoggingConfig(bypass_logging=True))
    return replace(config, engine=engine, raise_exception=True, dispose_on_completion=False)
