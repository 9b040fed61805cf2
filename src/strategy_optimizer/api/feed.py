"""The newest events of one task, kept in memory for all who watch it.

A client has a place: the number of the last event that it has, or knows not to be of its channel. What it gets next
is cut from a stretch of the channel that lies there. Clients at the same place get the same text, made once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strategy_optimizer.api.channels import CHANNELS, Ending, Texts
from strategy_optimizer.models.frames import ChannelName

if TYPE_CHECKING:
    from strategy_optimizer.api.watcher import Watcher

KEPT, KEPT_LETTERS = 1000, 4_000_000
"""So many of the newest events of each channel stay in memory; older ones are read from the store when asked for."""
MOST_EVENTS, MOST_LETTERS = 500, 200_000
"""Of one frame."""
_PAGES, _CUTS = 8, 8


@dataclass(frozen=True)
class Cut:
    """What a client gets next: a frame for the events `first` to `seq`."""

    first: int
    seq: int
    text: str


class Stretch:
    """All events of a channel after number `start` up to number `until`."""

    def __init__(self, start: int, until: int, events: Iterable[tuple[int, str]] = ()) -> None:
        self.start = start
        self.until = until
        self._numbers: list[int] = []
        self._texts: list[str] = []
        self._letters = 0
        self._cuts: dict[int, Cut | None] = {}
        self.add(until, events)

    def add(self, until: int, events: Iterable[tuple[int, str]]) -> bool:
        """Go on until another number; return whether the channel has events there."""
        before = len(self._numbers)
        for number, text in events:
            self._numbers.append(number)
            self._texts.append(text)
            self._letters += len(text)
        self.until = until
        self._cuts.clear()
        return len(self._numbers) > before

    def shorten(self, most: int, letters: int) -> None:
        """Let the oldest half go when there are more events, or letters in them, than `most`."""
        if len(self._numbers) > most or (self._letters > letters and len(self._numbers) > 1):
            half = len(self._numbers) // 2
            self.start = self._numbers[half - 1]
            self._letters -= sum(map(len, self._texts[:half]))
            del self._numbers[:half], self._texts[:half]

    def after(self, number: int) -> Cut | None:
        """Return the next frame of a client that has everything up to a number; None when nothing is for it.

        >>> stretch = Stretch(4, 9, [(5, '{"seq":5}'), (8, '{"seq":8}')])
        >>> stretch.after(2).text
        '{"type":"events","first":3,"seq":9,"events":[{"seq":5},{"seq":8}]}'
        >>> stretch.after(8) is None
        True
        """
        if number not in self._cuts:
            if len(self._cuts) >= _CUTS:
                self._cuts.clear()
            self._cuts[number] = self._cut(number)
        return self._cuts[number]

    def _cut(self, number: int) -> Cut | None:
        begin = bisect_right(self._numbers, number)
        end, letters = begin, 0
        while end < len(self._texts) and end - begin < MOST_EVENTS and letters < MOST_LETTERS:
            letters += len(self._texts[end])
            end += 1
        if end == begin:
            return None
        seq = self.until if end == len(self._texts) else self._numbers[end - 1]
        return Cut(number + 1, seq, events_frame(number + 1, seq, self._texts[begin:end]))


def events_frame(first: int, seq: int, texts: Sequence[str] = ()) -> str:
    """Return a frame of events that are texts already."""
    return f'{{"type":"events","first":{first},"seq":{seq},"events":[{",".join(texts)}]}}'


class Feed:
    """One task that is watched.

    Parameters
    ----------
    task_id : str
    seq : int
        The number of an event, from which on the feed has everything.
    ending : Ending, optional
        Of a task that has ended already.

    Attributes
    ----------
    seq : int
        The newest event that is known.
    ending : Ending or None
    is_gone : bool
        Whether the task was deleted.
    """

    def __init__(self, task_id: str, seq: int, ending: Ending | None = None) -> None:
        self.task_id = task_id
        self.seq = seq
        self.ending = ending
        self.is_gone = False
        self.watchers: dict[ChannelName | None, set[Watcher]] = {}
        self.end_texts: dict[ChannelName, str] = {}
        self._newest = {channel: Stretch(seq, seq) for channel in CHANNELS}
        self._pages: OrderedDict[int, dict[ChannelName, Stretch]] = OrderedDict()

    def add(self, until: int, texts: Texts, ending: Ending | None) -> None:
        """Take in new events up to a number, and wake those whom they concern."""
        self.seq = until
        self.ending = ending or self.ending
        for channel, stretch in self._newest.items():
            if stretch.add(until, texts[channel]):
                stretch.shorten(KEPT, KEPT_LETTERS)
                self.wake(channel)
        self.wake(None)

    def wake(self, channel: ChannelName | None) -> None:
        """Wake the watchers of a channel; those of None watch all events."""
        for watcher in self.watchers.get(channel, ()):
            watcher.wake()

    def wake_all(self) -> None:
        """Wake all watchers."""
        for channel in self.watchers:
            self.wake(channel)

    def close(self, code: int, reason: str) -> None:
        """Close the sockets of all watchers."""
        for watchers in self.watchers.values():
            for watcher in watchers:
                watcher.close(code, reason)

    def stretch(self, channel: ChannelName, place: int) -> Stretch | None:
        """Return what goes on from a place; None when it has to be read from the store."""
        newest = self._newest[channel]
        if newest.start <= place:
            return newest
        for page in self._pages.values():
            if page[channel].start <= place < page[channel].until:
                return page[channel]
        return None

    def add_page(self, start: int, until: int, texts: Texts) -> None:
        """Keep older events that were read from the store, for the others who will ask for them."""
        self._pages[start] = {channel: Stretch(start, until, texts[channel]) for channel in CHANNELS}
        self._pages.move_to_end(start)
        while len(self._pages) > _PAGES:
            self._pages.popitem(last=False)
        self.wake_all()
