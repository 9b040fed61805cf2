"""Webhooks are delivered to a real server: signed, again when it fails, never to addresses inside."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from storage_worlds import Clock
from strategy_optimizer.errors import WebhookError
from strategy_optimizer.storage import NewEvent, NewTask, Store, WebhookRecord
from strategy_optimizer.workers import outside, webhooks
from strategy_optimizer.workers.outside import check_url, find_target, is_public
from strategy_optimizer.workers.webhooks import PAUSES, deliver_due


class Receiver:
    """Answers what the test wants and keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.headers: dict[str, str] = {}
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.together: threading.Barrier | None = None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((dict(self.headers), body))
                if receiver.together is not None:
                    receiver.together.wait()
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server.server_port}/hook?x=1"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    receiver.thread.join()


@pytest.fixture
def hook(store: Store, receiver: Receiver) -> WebhookRecord:
    return store.webhooks.add("ada", url=receiver.url, secret="the secret", events=["task.ended", "verdict"])


def end_a_task(store: Store) -> str:
    task = store.tasks.create(NewTask("ada", "momentum", {}, id="opt_1")).task
    lease = store.queue.lease("worker-1", 12)
    assert lease is not None
    verdict = {"decision": "reject", "reasons": ["luck"], "luck": 0.4}
    store.queue.finish(
        lease,
        "completed",
        stop_reason="budget",
        result={"validation": {"verdict": verdict}},
        progress={"best_score": 0.5, "best_parameters": {"n": 3}},
        events=[NewEvent("verdict", verdict)],
    )
    return task.id


def test_what_arrives_is_signed_and_says_it_all(
    store: Store, hook: WebhookRecord, receiver: Receiver
) -> None:
    end_a_task(store)
    assert deliver_due(store, private=True) == 2
    assert deliver_due(store, private=True) == 0
    by_event = {headers["X-Strategy-Optimizer-Event"]: (headers, body) for headers, body in receiver.requests}
    assert by_event.keys() == {"task.ended", "verdict"}
    headers, body = by_event["task.ended"]
    moment, mac = (part.split("=")[1] for part in headers["X-Strategy-Optimizer-Signature"].split(","))
    expected = hmac.new(b"the secret", moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert mac == expected
    document = json.loads(body)
    assert document["delivery_id"] == headers["X-Strategy-Optimizer-Delivery"]
    assert (document["task_id"], document["status"], document["best_score"]) == ("opt_1", "completed", 0.5)
    assert document["verdict"] == {"decision": "reject", "reasons": ["luck"]}
    assert headers["Host"].startswith("localhost:")
    assert all(d.delivered and d.status == 204 for d in store.webhooks.deliveries(hook.id))


def test_what_fails_is_tried_again_and_given_up_in_the_end(
    store: Store, hook: WebhookRecord, receiver: Receiver, clock: Clock
) -> None:
    store.webhooks.change(hook.id, events=["task.ended"])
    end_a_task(store)
    receiver.answers = [500] * 99
    for pause in PAUSES:
        assert deliver_due(store, private=True) == 0
        clock.move(seconds=pause - 1)
        assert store.webhooks.take_due(hold=0) == []
        clock.move(seconds=2)
    deliver_due(store, private=True)
    clock.move(days=9)
    assert store.webhooks.take_due(hold=0) == []
    (given_up,) = store.webhooks.deliveries(hook.id)
    assert (given_up.attempts, given_up.status, given_up.error) == (7, 500, "it answered 500")
    assert len(receiver.requests) == 7
    assert len({headers["X-Strategy-Optimizer-Delivery"] for headers, _ in receiver.requests}) == 1


def test_gone_switches_it_off(store: Store, hook: WebhookRecord, receiver: Receiver) -> None:
    store.webhooks.change(hook.id, events=["verdict"])
    end_a_task(store)
    receiver.answers = [410]
    deliver_due(store, private=True)
    assert not store.webhooks.get(hook.id).enabled


def test_what_is_switched_off_gets_nothing_that_waits(
    store: Store, hook: WebhookRecord, receiver: Receiver, clock: Clock
) -> None:
    end_a_task(store)
    receiver.answers = [500, 500]
    assert deliver_due(store, private=True) == 0
    store.webhooks.change(hook.id, enabled=False)
    clock.move(days=1)
    assert deliver_due(store, private=True) == 0
    assert len(receiver.requests) == 2
    waiting = store.webhooks.deliveries(hook.id)
    assert {(each.error, each.due, each.delivered) for each in waiting} == {
        ("the webhook is switched off", None, None)
    }


def test_deliveries_do_not_wait_for_each_other(store: Store, hook: WebhookRecord, receiver: Receiver) -> None:
    """This receiver answers no one before all of them ask."""
    other = store.webhooks.add("ada", url=receiver.url, secret="x", events=["verdict"])
    end_a_task(store)
    receiver.together = threading.Barrier(3, timeout=60.0)
    assert deliver_due(store, private=True) == 3
    assert all(each.delivered for each in store.webhooks.deliveries(other.id))


def test_a_receiver_that_dribbles_is_left(
    store: Store, hook: WebhookRecord, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes in time, and the answer never: it must not keep the webhooks of everybody waiting."""
    monkeypatch.setattr(webhooks, "LONGEST", 1.0)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def dribble() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not over.wait(0.05):
                    connection.sendall(b"x")

        thread = threading.Thread(target=dribble)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        slow = store.webhooks.add("ada", url=url, secret="x", events=["verdict"])
        end_a_task(store)
        try:
            assert deliver_due(store, private=True) == 2
        finally:
            over.set()
            thread.join()
    (left,) = store.webhooks.deliveries(slow.id)
    assert (left.status, left.error) == (None, "it had not answered after 1 s")
    assert left.due is not None


def test_a_name_that_is_looked_up_for_ever_keeps_nobody_waiting(
    store: Store, hook: WebhookRecord, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    over, look_up = threading.Event(), socket.getaddrinfo

    def look(host: str, *others: Any, **options: Any) -> Any:
        if host == "slow.example":
            over.wait(60.0)
            raise OSError("no answer")
        return look_up(host, *others, **options)

    monkeypatch.setattr(outside.socket, "getaddrinfo", look)
    monkeypatch.setattr(webhooks, "LONGEST", 1.0)
    slow = [
        store.webhooks.add("ada", url=f"http://slow.example/{n}", secret="x", events=["verdict"])
        for n in range(9)
    ]
    end_a_task(store)
    try:
        assert deliver_due(store, private=True) == 2
        assert not over.is_set()
        for each in slow:
            (left,) = store.webhooks.deliveries(each.id)
            assert left.error == "it had not answered after 1 s"
    finally:
        over.set()


def test_a_redirect_is_not_followed(store: Store, hook: WebhookRecord, receiver: Receiver) -> None:
    store.webhooks.change(hook.id, events=["verdict"])
    end_a_task(store)
    receiver.answers, receiver.headers = [307], {"Location": receiver.url}
    deliver_due(store, private=True)
    assert len(receiver.requests) == 1
    assert store.webhooks.deliveries(hook.id)[0].error == "it answered 307"


def test_addresses_inside_get_nothing(store: Store, hook: WebhookRecord, receiver: Receiver) -> None:
    end_a_task(store)
    assert deliver_due(store) == 0
    assert receiver.requests == []
    errors = {delivery.error for delivery in store.webhooks.deliveries(hook.id)}
    assert all("which is not of the internet" in str(error) for error in errors)


def test_a_name_that_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        found = {"two.example": ["93.184.216.34", "10.0.0.7"], "out.example": ["93.184.216.34"]}[host]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, port)) for number in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    target = find_target("https://out.example/x", private=False)
    assert (target.url, target.host, target.host_header) == (
        "https://93.184.216.34:443/x",
        "out.example",
        "out.example",
    )
    with pytest.raises(WebhookError, match=r"has the address 10\.0\.0\.7"):
        find_target("https://two.example", private=False)


INSIDE = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2001:db8::1",
]


@pytest.mark.parametrize("number", INSIDE)
def test_no_inner_address_is_public(number: str) -> None:
    assert not is_public(number)


@pytest.mark.parametrize("number", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808"])
def test_outer_addresses_are(number: str) -> None:
    assert is_public(number)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://example.com",
        "https://",
        "https://user:password@example.com",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://[::1",
        "https://example.com/\r\nX: y",
        "//example.com",
        "javascript:alert(1)",
        "https://ex ample.com",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(WebhookError):
        check_url(url)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost", "LOCALHOST.", "[::1]"]
)
def test_other_ways_to_write_this_machine_are_refused(host: str) -> None:
    with pytest.raises(WebhookError, match=r"is not of the internet|is not found"):
        find_target(f"http://{host}/x", private=False)
