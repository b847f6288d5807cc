"""Forwarders as real processes: one works at a time, and killing them at any moment doubles nobody and nothing."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext, ForkServerProcess

import pytest
import sqlalchemy as sa

from central.database import Database
from central.schema import QueueAction, QueueState, queue
from tests.central.mywellness.forwarder_process import live
from tests.central.mywellness.gym import REPLAY, Gym, sandbox_at
from tests.central.passages.builders import local
from tests.fakes import FakeClock

PEOPLE = ("M1001", "M1002", "M1003")
VISITS = 201
DEATHS = 20


@pytest.fixture(scope="module")
def nursery() -> ForkServerContext:
    """Where processes come from that have everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.central.mywellness.forwarder_process"])
    return context


@pytest.fixture
async def gym(database: Database, clock: FakeClock) -> AsyncIterator[Gym]:
    """Three complete members and their 201 visits, nobody of them at Mywellness yet."""
    async with sandbox_at(clock) as (url, sandbox):
        one = Gym(database, clock, url, sandbox, REPLAY)
        for person in PEOPLE:
            one.joins(person, phone="+468123")
        one.clock.set(local("2026-03-10 23:00"))
        for number in range(VISITS // len(PEOPLE)):
            hour, minute = divmod(number * 10, 60)
            for person in PEOPLE:
                one.reads(f"2026-03-10 {6 + hour:02}:{minute:02}", person=person)
                one.reads(f"2026-03-10 {6 + hour:02}:{minute + 5:02}", "RD-OUT", person=person)
        while one.waits_to_arrive:
            one.arrives()
        yield one


@contextmanager
def process(nursery: ForkServerContext, gym: Gym, boot: str) -> Iterator[ForkServerProcess]:
    """Run a forwarder process inside the block, and end it without mercy."""
    url = gym.database.url.render_as_string(hide_password=False)
    one = nursery.Process(target=live, args=(url, gym.url, boot, gym.clock.wall), daemon=True)
    one.start()
    try:
        yield one
    finally:
        if one.pid is not None and one.is_alive():
            os.kill(one.pid, signal.SIGKILL)
        one.join()
        one.close()


@pytest.mark.timeout(300)
async def test_killing_the_forwarder_at_any_moment_doubles_no_person_and_no_visit(
    gym: Gym, nursery: ForkServerContext
) -> None:
    rng = random.Random(20260310)  # noqa: S311 - moments of death, not secrets
    killed: list[str] = []
    while not gym.is_idle() or len(killed) < DEATHS:
        boot = f"boot-{len(killed)}"
        with process(nursery, gym, boot):
            await _some_calls(gym, rng.randint(1, 12))
            await asyncio.sleep(rng.random() * 0.012)
        killed.append(boot)
        assert len(killed) < 150
    await gym.sends("boot-last")

    assert len(killed) >= DEATHS
    assert Counter(one.external_id for one in gym.sandbox.ledger.people.values()) == dict.fromkeys(PEOPLE, 1)
    arrived = Counter((visit.user_id, visit.visit_date) for visit in gym.sandbox.ledger.visits)
    assert set(arrived.values()) == {1}
    rows = gym.asks(sa.select(queue.c.state, queue.c.sender).where(queue.c.action == QueueAction.VISIT))
    states = Counter(row.state for row in rows)
    assert len(rows) == states[QueueState.DONE] + states[QueueState.UNKNOWN] == VISITS
    assert len(arrived) <= VISITS <= len(arrived) + states[QueueState.UNKNOWN]
    unknown = [row.sender for row in rows if row.state == QueueState.UNKNOWN]
    assert set(unknown) <= set(killed)
    assert len(unknown) == len(set(unknown))  # a death costs one visit at most


async def _some_calls(gym: Gym, count: int) -> None:
    """Wait for the calls of a life, a login included, or for the end of the work."""
    end = gym.sandbox.calls.last + 1 + count
    async with asyncio.timeout(30):
        while gym.sandbox.calls.last < end:
            await asyncio.sleep(0.001)
            if gym.sandbox.calls.last >= end - count and gym.is_idle():
                return


async def test_only_one_of_two_processes_forwards_and_the_other_takes_over_when_it_is_killed(
    gym: Gym, nursery: ForkServerContext
) -> None:
    with process(nursery, gym, "boot-a") as first:
        await gym.until(lambda: len(gym.times()) >= 5)
        with process(nursery, gym, "boot-b"):
            await gym.until(lambda: len(gym.times()) >= 40)
            assert _senders(gym) == {"boot-a"}
            assert first.pid is not None
            os.kill(first.pid, signal.SIGKILL)
            await gym.until(gym.is_idle, seconds=60)
    assert _senders(gym) == {"boot-a", "boot-b"}
    assert max(Counter((visit.user_id, visit.visit_date) for visit in gym.sandbox.ledger.visits).values()) == 1
    unknown = [row for row in gym.visits() if row[0] is QueueState.UNKNOWN]
    assert unknown in ([], [(QueueState.UNKNOWN, "central boot-a stopped while sending")])
    assert len(gym.times()) >= VISITS - 1


def _senders(gym: Gym) -> set[str]:
    return {row.sender for row in gym.asks(sa.select(queue.c.sender).distinct()) if row.sender is not None}
