"""Workers with a folder of engines."""

from __future__ import annotations

from pathlib import Path

from engine_files import tell, write_files
from strategy_optimizer.models.service_task import TaskIn
from strategy_optimizer.objective import parse_objective
from strategy_optimizer.tasks import TrialHistory
from strategy_optimizer.workers.submission import submit
from worker_worlds import World

WORKER = ("--task-memory", "800", "--threads", "2")


class Engines(World):
    """A store that knows the engines of a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"sqlite:///{folder / 'store.db'}", folder)
        self.strategies = write_files(folder / "files")
        tell(self.store, folder, self.strategies)

    def start(self, *options: str, **environment: str) -> None:
        self.start_worker(*WORKER, *options, "--strategies", str(self.strategies), **environment)

    def submit(self, strategy: str, n: int | None = None, **others: object) -> str:
        config = {**({} if n is None else {"budget": n}), **others.pop("config", {})}  # type: ignore[dict-item]
        task = {"strategy_name": strategy, "optimization_config": config, **others}
        return submit(self.store, "ada", TaskIn.model_validate(task)).task.id

    def trials(self, task_id: str) -> TrialHistory:
        """Return the history of a task, whatever its engine measures."""
        layout = next(self.store.trials.read(task_id, 0, 1)).layout
        found = TrialHistory(
            layout.space, objective=parse_objective({"metric": layout.metrics[0]}, names=layout.metrics)
        )
        self.store.trials.load(task_id, found)
        return found
