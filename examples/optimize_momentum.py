"""One search from Python, and what its result holds.

The last quarter of the bars is kept out of the search; the result shows the winner there too.
"""

from strategy_optimizer import Costs, optimize

result = optimize(
    "momentum",
    "nasdaq",
    evaluations=2_000,
    objective="sharpe_ratio",
    outcome_constraints=["trades >= 30"],
    costs=Costs(commission=0.0005, slippage=0.0002),
    seed=1,
)

print("best parameters:", result.best_parameters)
for name, numbers in (
    ("winner", result.best),
    ("defaults", result.defaults),
    ("buy and hold", result.buy_and_hold),
):
    seen, unseen = numbers.in_sample["sharpe_ratio"], numbers.held_out["sharpe_ratio"]
    print(f"{name:<13} Sharpe ratio {seen:6.2f} in sample, {unseen:6.2f} held out")
for note in result.notes:
    print("note:", note)
print("trials:", len(result.history), "- the last one:", result.history[-1].parameters)
