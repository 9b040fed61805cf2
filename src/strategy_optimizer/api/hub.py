"""Carries events from the store to all sockets of this process.

One query every tenth of a second asks for the news of all watched tasks together; none while nobody watches. Events
are read once, turned into text once, and given to everybody from memory. While the database is away the sockets
stay open with their heartbeats; what happened meanwhile follows, since each client's place is known.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from strategy_optimizer.access.policy import READ
from strategy_optimizer.access.principal import Principal
from strategy_optimizer.api.channels import Ending, Texts, texts_of
from strategy_optimizer.api.feed import Feed
from strategy_optimizer.api.first_and_last import end_frame
from strategy_optimizer.api.watcher import Closing, Watcher
from strategy_optimizer.errors import (
    NotAllowedError,
    NotAuthenticatedError,
    StorageError,
    TooManyRequestsError,
)
from strategy_optimizer.models.frames import ChannelName
from strategy_optimizer.storage import ENDED, EventRecord, Store, TaskRecord

LOG = structlog.get_logger(__name__)
T = TypeVar("T")
TOO_SLOW, GONE, NOT_ALLOWED, NOT_AUTHENTICATED = 1013, 4404, 4403, 4401
"""Codes that sockets close with; from 4000 on they are 4000 and a status of HTTP."""
PAGE = 1000
_THREADS = 4
_AFTER_FAULT = 1.0


@dataclass(frozen=True)
class Pace:
    """How often the hub does what, in seconds.

    Attributes
    ----------
    poll
        Between two looks for news.
    heartbeat
        Of silence, before a heartbeat is sent.
    patience
        For which a client may leave a frame unread.
    check
        Between two checks whether those who watch still may.
    tick
        How exact the three above are kept.
    """

    poll: float = 0.1
    heartbeat: float = 15.0
    patience: float = 10.0
    check: float = 2.0
    tick: float = 0.5


@dataclass(frozen=True)
class News:
    """What is new of one task."""

    until: int
    texts: Texts
    ending: Ending | None


class Hub:
    """All who watch tasks in this process. Everything but reading happens in the thread of the event loop.

    Parameters
    ----------
    store : Store
    most, most_of_user : int
        Sockets, and requests that wait, at one time.
    authenticate_again : callable
        Returns what somebody may do now who was let in earlier; raises a `NotAuthenticatedError`.
    count : callable
        Is told 1 and -1.
    pace : Pace
    """

    def __init__(
        self,
        store: Store,
        *,
        most: int,
        most_of_user: int,
        authenticate_again: Callable[[Principal], Principal],
        count: Callable[[int], object] = lambda change: None,
        pace: Pace = Pace(),
    ) -> None:
        self.pace = pace
        self._store = store
        self._most = most
        self._most_of_user = most_of_user
        self._authenticate_again = authenticate_again
        self._count = count
        self._feeds: dict[str, Feed] = {}
        self._watchers: set[Watcher] = set()
        self._of_user: Counter[str] = Counter()
        self._threads: ThreadPoolExecutor | None = None
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._is_stopping = False

    # -- coming and going ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def watching(
        self,
        task: TaskRecord,
        principal: Principal,
        channel: ChannelName | None,
        seq: int,
    ) -> Iterator[Watcher]:
        """Let somebody watch a task from an event on.

        Raises
        ------
        TooManyRequestsError
            When too many watch already.
        """
        self._check_room(principal)
        feed = self._feeds.get(task.id)
        if feed is None:
            feed = self._feeds[task.id] = Feed(task.id, task.events, ending_of(task))
        watcher = Watcher(feed, channel, principal, task.owner, seq)
        watcher.heard = asyncio.get_running_loop().time()
        feed.watchers.setdefault(channel, set()).add(watcher)
        self._watchers.add(watcher)
        self._of_user[principal.user_id] += 1
        self._count(1)
        self._start()
        try:
            yield watcher
        finally:
            self._leave(watcher)

    def stop(self) -> None:
        """Answer the requests that wait, since the server ends; it closes the sockets itself."""
        self._is_stopping = True
        for watcher in self._watchers:
            watcher.wake()

    @property
    def is_stopping(self) -> bool:
        """Whether the server ends."""
        return self._is_stopping

    def _check_room(self, principal: Principal) -> None:
        if len(self._watchers) >= self._most:
            raise TooManyRequestsError(
                f"the service has {self._most} open sockets, the most that it takes", retry_after=30
            )
        if self._of_user[principal.user_id] >= self._most_of_user:
            raise TooManyRequestsError(
                f"{principal.name} has {self._most_of_user} open sockets, the most that one user may have; close some",
                retry_after=30,
            )

    def _leave(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        self._of_user[watcher.principal.user_id] -= 1
        if not self._of_user[watcher.principal.user_id]:
            del self._of_user[watcher.principal.user_id]
        watchers = watcher.feed.watchers
        watchers[watcher.channel].discard(watcher)
        if not any(watchers.values()):
            self._feeds.pop(watcher.feed.task_id, None)
        self._count(-1)

    # -- what is read when somebody needs it -----------------------------------------------------------------

    def want_page(self, feed: Feed, place: int) -> None:
        """Read older events after a place, and wake the watchers of the task when they are there."""
        self._begin(f"page {feed.task_id} {place}", self._load_page(feed, place))

    def want_end(self, feed: Feed, channel: ChannelName) -> None:
        """Read what the last frame of a channel has, and wake the watchers of the task."""
        self._begin(f"end {feed.task_id} {channel}", self._load_end(feed, channel))

    async def in_thread(self, work: Callable[..., T], *given: Any) -> T:
        """Run what reads the store, apart from the threads of requests."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="hub")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *given)

    async def _load_page(self, feed: Feed, place: int) -> None:
        until, texts = await self.in_thread(_read_page, self._store, feed.task_id, place, feed.seq)
        feed.add_page(place, until, texts)

    async def _load_end(self, feed: Feed, channel: ChannelName) -> None:
        assert feed.ending is not None
        feed.end_texts[channel] = await self.in_thread(
            end_frame, self._store, feed.task_id, feed.ending, channel
        )
        feed.wake_all()

    # -- what runs while somebody watches --------------------------------------------------------------------

    def _start(self) -> None:
        self._begin("poll", self._poll())
        self._begin("tick", self._tick())

    def _begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Start a job unless it runs."""
        if name in self._jobs:
            work.close()
        else:
            # Not in the context of the request that happens to start it: its id would stand in the job's log lines.
            self._jobs[name] = asyncio.create_task(self._run(name, work), context=Context())

    async def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a job. When it fails, all look again what they need, a second later."""
        try:
            await work
        except Exception as error:
            _log(name, error)
            await asyncio.sleep(_AFTER_FAULT)
        else:
            return
        finally:
            del self._jobs[name]
        if self._watchers:
            self._start()
        for watcher in self._watchers:
            watcher.wake()

    async def _poll(self) -> None:
        while self._watchers:
            seen = {
                feed.task_id: feed.seq
                for feed in self._feeds.values()
                if feed.ending is None and not feed.is_gone
            }
            if seen:
                self._spread(seen, await self.in_thread(_read_news, self._store, seen))
            await asyncio.sleep(self.pace.poll)

    def _spread(self, seen: Mapping[str, int], news: Mapping[str, News | None]) -> None:
        for task_id, seq in seen.items():
            feed = self._feeds.get(task_id)
            if feed is None or feed.seq != seq:
                continue  # nobody watches it any more, or others do since
            if task_id not in news:
                feed.is_gone = True
                feed.close(GONE, "the task was deleted")
            elif (new := news[task_id]) is not None:
                feed.add(new.until, new.texts, new.ending)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        checked = loop.time()
        while self._watchers:
            await asyncio.sleep(self.pace.tick)
            now = loop.time()
            for watcher in list(self._watchers):
                self._look_after(watcher, now)
            if now - checked >= self.pace.check:
                checked = now
                self._begin("check", self._check_principals())

    def _look_after(self, watcher: Watcher, now: float) -> None:
        if watcher.sending_since is not None:
            if now - watcher.sending_since > self.pace.patience:
                watcher.close(TOO_SLOW, f"too slow: a frame was not read for {self.pace.patience:g} s")
        elif now - watcher.heard >= self.pace.heartbeat:
            watcher.needs_heartbeat = True
            watcher.wake()

    async def _check_principals(self) -> None:
        """Close what is open to those who may not any more; each key and session is looked up once."""
        principals = {watcher.principal for watcher in self._watchers}
        found = await self.in_thread(_now, self._authenticate_again, list(principals))
        for watcher in list(self._watchers):
            closing = _closing(watcher, found.get(watcher.principal))
            if closing is not None:
                watcher.close(closing.code, closing.reason)


def ending_of(task: TaskRecord) -> Ending | None:
    """Return how a task ended, None while it has not."""
    return Ending(task.events, task.state) if task.state in ENDED else None


# -- in threads of the hub ------------------------------------------------------------------------------------


def _read_news(store: Store, seen: Mapping[str, int]) -> dict[str, News | None]:
    return {
        task_id: News(events[-1].seq, texts_of(events), _ending(events)) if events else None
        for task_id, events in store.events.news(seen, limit=PAGE).items()
    }


def _ending(events: Sequence[EventRecord]) -> Ending | None:
    last = events[-1]
    if last.kind == "state" and last.data.get("state") in ENDED:
        return Ending(last.seq, last.data["state"])
    return None


def _read_page(store: Store, task_id: str, place: int, newest: int) -> tuple[int, Texts]:
    events = store.events.read(task_id, after=place, limit=PAGE)
    last = events[-1].seq if events else place
    return last if len(events) == PAGE else max(last, newest), texts_of(events)


def _now(
    authenticate_again: Callable[[Principal], Principal], principals: Sequence[Principal]
) -> dict[Principal, Principal | Closing]:
    """Return what each may do now, or with what their sockets close."""
    found: dict[Principal, Principal | Closing] = {}
    for principal in principals:
        try:
            found[principal] = authenticate_again(principal)
        except NotAuthenticatedError as error:
            found[principal] = Closing(NOT_AUTHENTICATED, str(error))
        except NotAllowedError as error:
            found[principal] = Closing(NOT_ALLOWED, str(error))
    return found


def _closing(watcher: Watcher, now: Principal | Closing | None) -> Closing | None:
    """Return with what a socket closes; None while it may stay open."""
    if now is None or isinstance(now, Closing):
        return now
    try:
        READ.check(now)
    except NotAllowedError as error:
        return Closing(NOT_ALLOWED, str(error))
    if now.owner not in (None, watcher.owner):
        return Closing(GONE, "the task belongs to somebody else")
    return None


def _log(job: str, error: Exception) -> None:
    if isinstance(error, StorageError):
        LOG.warning("sockets wait for the database", job=job.split()[0], error=str(error))
    else:
        LOG.error("a fault of the sockets", job=job, exc_info=error)
