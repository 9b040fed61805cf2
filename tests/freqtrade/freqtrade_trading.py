"""The configuration of freqtrade that these tests trade with."""

CONFIG = {
    "exchange": {"name": "binance", "pair_whitelist": ["BTC/USDT", "ETH/USDT"], "pair_blacklist": []},
    "trading_mode": "spot",
    "stake_currency": "USDT",
    "stake_amount": "unlimited",
    "tradable_balance_ratio": 0.99,
    "max_open_trades": 2,
    "dry_run": True,
    "dry_run_wallet": 10_000,
    "dataformat_ohlcv": "json",
    "entry_pricing": {"price_side": "same"},
    "exit_pricing": {"price_side": "same"},
    "pairlists": [{"method": "StaticPairList"}],
}
