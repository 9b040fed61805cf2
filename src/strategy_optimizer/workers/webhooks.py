"""Sends what webhooks wait for: each event at least once, signed, again after a while when it does not arrive."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import httpx2

from strategy_optimizer.errors import NotStoredError, WebhookError
from strategy_optimizer.service_logs import of_task
from strategy_optimizer.storage import DeliveryRecord, Store, TaskRecord, WebhookRecord
from strategy_optimizer.version import __version__
from strategy_optimizer.workers.outside import Target, find_target

LOG = logging.getLogger("strategy_optimizer.worker")
PAUSES = (10, 60, 300, 1800, 7200, 21600)
"""Seconds before each further attempt; after the last it is given up."""
TIMEOUT, LONGEST = 10.0, 20.0
"""Seconds for which a receiver may say nothing, and for which one that dribbles may take."""
HOLD = 60.0
"""Seconds after which another worker tries, when the one that took it died."""
GONE = 410


def deliver_due(store: Store, *, private: bool = False) -> int:
    """Send what is due, beside each other, and return how many arrived.

    Parameters
    ----------
    store : Store
    private : bool
        Whether webhooks may have addresses that the internet does not know.

    Raises
    ------
    StorageError
        What was not noted then is sent again.
    """
    found = [_letter(store, delivery) for delivery in store.webhooks.take_due(hold=HOLD)]
    letters = [letter for letter in found if letter is not None]
    if not letters:
        return 0
    # A thread for each: names are looked up for as long as the system likes, and nobody waits for that.
    lookups = ThreadPoolExecutor(len(letters), thread_name_prefix="webhook-names")
    try:
        return asyncio.run(_send_all(store, letters, _Lookup(lookups, private)))
    finally:
        lookups.shutdown(wait=False, cancel_futures=True)


def signature(secret: str, moment: int, body: bytes) -> str:
    """Return what the header ``X-Strategy-Optimizer-Signature`` says: when, and HMAC-SHA256 of when and what.

    >>> signature("s", 1, b"{}")[:16]
    't=1,v1=b253639bc'
    """
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return f"t={moment},v1={mac.hexdigest()}"


@dataclass(frozen=True)
class _Letter:
    """What is sent once, and to whom."""

    hook: WebhookRecord
    delivery: DeliveryRecord
    body: bytes


def _letter(store: Store, delivery: DeliveryRecord) -> _Letter | None:
    """Return what is to be sent; None when nobody wants it any more."""
    try:
        hook = store.webhooks.get(delivery.webhook_id)
        task = store.tasks.get(delivery.task_id)
    except (NotStoredError, KeyError):
        return None  # removed meanwhile, and the delivery with it
    if not hook.enabled:
        store.webhooks.settle(delivery.id, status=None, error="the webhook is switched off", again=None)
        return None
    return _Letter(hook, delivery, _body(store, delivery, task))


@dataclass(frozen=True)
class _Lookup:
    """Finds out where a webhook's address leads."""

    threads: ThreadPoolExecutor
    private: bool

    async def target(self, url: str) -> Target:
        """Return where to connect; see `find_target`."""
        look = partial(find_target, url, private=self.private)
        return await asyncio.get_running_loop().run_in_executor(self.threads, look)


async def _send_all(store: Store, letters: Sequence[_Letter], lookup: _Lookup) -> int:
    """Send letters at once: none waits for a receiver that is slow, or that means to be."""
    sent = await asyncio.gather(*(_send(store, letter, lookup) for letter in letters), return_exceptions=True)
    for outcome in sent:
        if isinstance(outcome, BaseException):
            raise outcome
    return sum(outcome is True for outcome in sent)


async def _send(store: Store, letter: _Letter, lookup: _Lookup) -> bool:
    hook, delivery = letter.hook, letter.delivery
    status, error = None, None
    try:
        async with asyncio.timeout(LONGEST):
            status = await _post(letter, lookup)
    except TimeoutError:
        error = f"it had not answered after {LONGEST:g} s"
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
        text, task_id = "webhook %s, %s of %s: %s", delivery.task_id
        LOG.warning(text, hook.id, delivery.event, task_id, error, extra=of_task(task_id))
    return error is None


async def _post(letter: _Letter, lookup: _Lookup) -> int:
    target = await lookup.target(letter.hook.url)
    headers = {
        "Host": target.host_header,
        "Content-Type": "application/json",
        "User-Agent": f"strategy-optimizer/{__version__}",
        "X-Strategy-Optimizer-Event": letter.delivery.event,
        "X-Strategy-Optimizer-Delivery": letter.delivery.id,
        "X-Strategy-Optimizer-Signature": signature(letter.hook.secret, int(time.time()), letter.body),
    }
    # A client for each: a connection to a number is not to be used for another name that has it, too.
    async with (
        httpx2.AsyncClient(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as client,
        client.stream(
            "POST",
            target.url,
            content=letter.body,
            headers=headers,
            extensions={"sni_hostname": target.host},
        ) as answer,
    ):
        return answer.status_code  # what else it says is of no interest


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
