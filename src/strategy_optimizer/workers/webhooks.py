"""Sends what webhooks wait for: each event at least once, signed, again after a while when it does not arrive."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
from datetime import timedelta
from typing import Any

import httpx2

from strategy_optimizer.errors import NotStoredError, WebhookError
from strategy_optimizer.service_logs import of_task
from strategy_optimizer.storage import DeliveryRecord, Store, TaskRecord, WebhookRecord
from strategy_optimizer.version import __version__
from strategy_optimizer.workers.outside import find_target

LOG = logging.getLogger("strategy_optimizer.worker")
PAUSES = (10, 60, 300, 1800, 7200, 21600)
"""Seconds before each further attempt; after the last it is given up."""
TIMEOUT = 10.0
HOLD = 60.0
"""Seconds after which another worker tries, when the one that took it died."""
GONE = 410
_ANSWER = 4096


def deliver_due(store: Store, *, private: bool = False) -> int:
    """Send what is due and return how many arrived.

    Parameters
    ----------
    store : Store
    private : bool
        Whether webhooks may have addresses that the internet does not know.
    """
    return sum(_deliver(store, delivery, private) for delivery in store.webhooks.take_due(hold=HOLD))


def signature(secret: str, moment: int, body: bytes) -> str:
    """Return what the header ``X-Strategy-Optimizer-Signature`` says: when, and HMAC-SHA256 of when and what.

    >>> signature("s", 1, b"{}")[:16]
    't=1,v1=b253639bc'
    """
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return f"t={moment},v1={mac.hexdigest()}"


def _deliver(store: Store, delivery: DeliveryRecord, private: bool) -> bool:
    try:
        hook = store.webhooks.get(delivery.webhook_id)
        task = store.tasks.get(delivery.task_id)
    except (NotStoredError, KeyError):
        return False  # removed meanwhile, and the delivery with it
    status, error = None, None
    try:
        status = _post(hook, delivery, _body(store, delivery, task), private)
    except (WebhookError, httpx2.HTTPError) as problem:
        error = str(problem) or type(problem).__name__
    else:
        if not 200 <= status < 300:
            error = f"it answered {status}"
    last = delivery.attempts > len(PAUSES) or status == GONE
    again = None
    if error is not None and not last:
        again = store.webhooks.now() + timedelta(seconds=PAUSES[delivery.attempts - 1])
    store.webhooks.settle(delivery.id, status=status, error=error, again=again)
    if status == GONE:
        store.webhooks.change(hook.id, enabled=False)
    if error is not None:
        text = "webhook %s, %s of %s: %s"
        LOG.warning(text, hook.id, delivery.event, task.id, error, extra=of_task(task.id))
    return error is None


def _post(hook: WebhookRecord, delivery: DeliveryRecord, body: bytes, private: bool) -> int:
    target = find_target(hook.url, private=private)
    headers = {
        "Host": target.host_header,
        "Content-Type": "application/json",
        "User-Agent": f"strategy-optimizer/{__version__}",
        "X-Strategy-Optimizer-Event": delivery.event,
        "X-Strategy-Optimizer-Delivery": delivery.id,
        "X-Strategy-Optimizer-Signature": signature(hook.secret, int(time.time()), body),
    }
    with (
        httpx2.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as client,
        client.stream(
            "POST", target.url, content=body, headers=headers, extensions={"sni_hostname": target.host}
        ) as answer,
    ):
        for read, _ in enumerate(answer.iter_bytes(_ANSWER)):
            if read:
                break  # what it says is of no interest
        return answer.status_code


def _body(store: Store, delivery: DeliveryRecord, task: TaskRecord) -> bytes:
    progress = task.progress or {}
    document: dict[str, Any] = {
        "event": delivery.event,
        "delivery_id": delivery.id,
        "task_id": task.id,
        "strategy_name": task.strategy,
        "status": task.state,
        "stop_reason": task.stop_reason,
        "error": task.error,
        "trials": task.trials,
        "best_score": progress.get("best_score"),
        "best_parameters": progress.get("best_parameters"),
        "finished_at": None if task.finished is None else task.finished.isoformat(),
        "verdict": _verdict(store, task),
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _verdict(store: Store, task: TaskRecord) -> dict[str, Any] | None:
    record = store.tasks.result(task.id)
    if record is None:
        return None
    verdict = (record.document.get("validation") or {}).get("verdict")
    return None if verdict is None else {name: verdict[name] for name in ("decision", "reasons")}
