"""One change event per changed aggregate and transaction, and what follows from it in the same transaction (B-21).

A service that has changed something says so with `Unit.changed`. When its work is done, `Unit.settle` writes the events
and runs the reactions: the access list is recompiled, the Mywellness queue gets its rows. All of it commits, or none.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar

import sqlalchemy as sa

from central.database import Database
from central.schema import change_event
from protocol.clock import Clock

P = ParamSpec("P")
T = TypeVar("T")


class Aggregate(StrEnum):
    """What can change as one thing."""

    PERSON = "person"
    """A person with credentials, subscriptions and freezes."""
    SITE = "site"
    """A site with readers, rights and schedules."""
    PRODUCT = "product"
    LINK = "link"
    """The Mywellness link of a person, changed by staff."""
    VISITS = "visits"
    """The visits of one person, site and day: key `person/site/day`."""


class Change(NamedTuple):
    """Something that has changed."""

    aggregate: Aggregate
    key: str


Reaction = Callable[["Unit", Change], None]


class Unit:
    """One piece of work: a connection inside a transaction, the time it happens at, and what it has changed."""

    def __init__(self, connection: sa.Connection, now: datetime, reactions: Iterable[Reaction] = ()) -> None:
        """Begin a piece of work at `now`, aware."""
        self.connection = connection
        self.now = now
        self._reactions = tuple(reactions)
        self._changes: dict[Change, None] = {}

    def changed(self, aggregate: Aggregate, key: str) -> None:
        """Remember that an aggregate has changed; saying it twice makes one event."""
        self._changes[Change(aggregate, key)] = None

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Do a part that may fail by itself: what it wrote and what it changed is taken back when it raises."""
        before = dict(self._changes)
        try:
            with self.connection.begin_nested():
                yield
        except BaseException:
            self._changes = before
            raise

    def settle(self) -> frozenset[Change]:
        """Write the events and run the reactions; what those change is settled too, each once. Returns them all."""
        settled: set[Change] = set()
        while waiting := [change for change in self._changes if change not in settled]:
            self.connection.execute(
                change_event.insert(),
                [{"aggregate": change.aggregate, "key": change.key, "at": self.now} for change in waiting],
            )
            settled.update(waiting)
            for change in waiting:
                for reaction in self._reactions:
                    reaction(self, change)
        return frozenset(settled)


class Units:
    """Does pieces of work on a database: the one way services are called by handlers, consumers and workers."""

    def __init__(self, database: Database, clock: Clock, reactions: Iterable[Reaction] = ()) -> None:
        """Work on `database` at the time `clock` shows, with these reactions to every change."""
        self.database = database
        self.clock = clock
        self._reactions = tuple(reactions)
        self._listeners: list[Callable[[frozenset[Change]], None]] = []

    def listen(self, listener: Callable[[frozenset[Change]], None]) -> None:
        """Call `listener` with what has changed after each commit, in the thread that committed: no record."""
        self._listeners.append(listener)

    def run_sync(self, work: Callable[Concatenate[Unit, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` as one transaction in this thread; see `run`."""

        def whole(connection: sa.Connection) -> tuple[T, frozenset[Change]]:
            unit = Unit(connection, self.clock.read().wall, self._reactions)
            answer = work(unit, *args, **kwargs)
            return answer, unit.settle()

        answer, changes = self.database.sync_write(whole)
        if changes:
            for listener in self._listeners:
                listener(changes)
        return answer

    async def run(self, work: Callable[Concatenate[Unit, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` as one transaction: its changes, their events and all reactions commit together or not at all."""
        return await self.database.in_writer(lambda: self.run_sync(work, *args, **kwargs))

    async def read(self, work: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a question on a reading connection."""
        return await self.database.read(work, *args, **kwargs)
