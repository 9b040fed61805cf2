"""The optimizer alone: it proposes, you evaluate whatever you like, it learns.

Nothing here knows of trading. The state is plain JSON; a restored optimizer goes on with the same candidates.
"""

import json

from strategy_optimizer import ParameterSpace, create_optimizer, restore_optimizer

space = ParameterSpace("oven")
space.add_parameter("degrees", "continuous", (150.0, 250.0))
space.add_parameter("minutes", "discrete", (5, 60))
space.add_parameter("fan", "categorical", [False, True])
space.add_constraint("degrees * minutes < 9000")


def taste(p):
    """Return how good the bread is; the best is 220 degrees for 35 minutes with the fan."""
    return -(((p["degrees"] - 220) / 50) ** 2) - ((p["minutes"] - 35) / 20) ** 2 + 0.5 * p["fan"]


optimizer = create_optimizer("ga", space, budget=600, seed=1)
for _ in range(30):
    batch = optimizer.ask(10)
    optimizer.tell(batch, [taste(p) for p in batch])

saved = json.dumps(optimizer.state())  # a night passes
optimizer = restore_optimizer(space, json.loads(saved))
for _ in range(30):
    batch = optimizer.ask(10)
    optimizer.tell(batch, [taste(p) for p in batch])

best = optimizer.best_params
print(f"{best['degrees']:.0f} degrees, {best['minutes']} minutes, fan {best['fan']}")
print(f"score {optimizer.best_score:.3f} after {optimizer.n_told} trials")
