"""These tests compare with packages of requirements/peers.txt and are collected where those are installed."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("vectorbt") and find_spec("backtesting") else ["test_*.py"]
