"""``python -m strategy_optimizer`` is the program `strategy-optimizer`."""

from strategy_optimizer.cli.program import main

if __name__ == "__main__":
    main()
