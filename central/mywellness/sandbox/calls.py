"""Every call, from its arrival to its end."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from central.mywellness.sandbox.wire import Answer, masked

KEPT = 100_000
"""Calls remembered; older ones fall out."""


class Stage(StrEnum):
    """How far a call has come."""

    RECEIVED = "received"
    COMMITTED = "committed"
    ANSWERED = "answered"
    CUT = "cut"


@dataclass(slots=True)
class Call:
    """One call with its secrets masked."""

    number: int
    at: datetime
    path: str
    action: str
    body: Any
    stage: Stage = Stage.RECEIVED
    committed: bool = False
    fault: str | None = None
    status: int | None = None
    answer: Any = None

    def as_json(self) -> dict[str, Any]:
        """Return the call for `/_standin/calls`."""
        return {
            "number": self.number,
            "at": self.at.isoformat(),
            "path": self.path,
            "action": self.action,
            "body": self.body,
            "stage": self.stage.value,
            "committed": self.committed,
            "fault": self.fault,
            "status": self.status,
            "answer": self.answer,
        }


class CallLog:
    """The last calls in order of arrival, numbered from 1 and never again."""

    def __init__(self) -> None:
        """Start empty."""
        self._calls: deque[Call] = deque(maxlen=KEPT)
        self._open: dict[int, Call] = {}
        self.last = 0

    def receive(self, at: datetime, path: str, action: str, body: Any) -> Call:
        """Note a call's arrival."""
        self.last += 1
        call = Call(self.last, at, path, action, masked(body))
        self._calls.append(call)
        self._open[call.number] = call
        return call

    def commit(self, call: Call) -> None:
        """Note that the ledger has it."""
        call.committed = True
        call.stage = Stage.COMMITTED

    def answer(self, call: Call, answer: Answer) -> None:
        """Note what goes back."""
        call.status = answer.status
        call.answer = masked(answer.body) if answer.html is None else "(HTML page)"
        call.stage = Stage.ANSWERED
        self._open.pop(call.number, None)

    def cut(self, call: Call) -> None:
        """Note that the connection ended without an answer."""
        call.stage = Stage.CUT
        self._open.pop(call.number, None)

    def after(self, number: int, limit: int = KEPT) -> list[Call]:
        """Return the calls numbered above `number`, oldest first, at most `limit`."""
        skipped = max(0, number - (self.last - len(self._calls)))
        return list(self._calls)[skipped : skipped + limit]

    def inflight(self) -> list[Call]:
        """Return the calls that arrived and are not answered yet."""
        return list(self._open.values())

    def clear(self) -> None:
        """Forget the finished calls; numbers go on, so that no `after` goes back in time."""
        self._calls.clear()
        self._calls.extend(self._open.values())
