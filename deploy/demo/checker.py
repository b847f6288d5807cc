"""Judges a replay from outside: what the readers emitted and how the pins answered, against what was recorded.

What is expected comes from the bytes that were written and the pin edges that were read, never from the edge's own
files.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from protocol.credential import from_import


@dataclass
class Tap:
    """A member at a reader: shown once, and again as long as nothing answers."""

    reader: str
    card: str
    at: datetime
    emitted: int = 0
    answer: bool | None = None
    """Granted or denied, as the pins said; `None` while unanswered."""
    credential: str = field(init=False)

    def __post_init__(self) -> None:
        """Know the card by its canonical form."""
        self.credential = from_import(self.card).canonical


@dataclass(frozen=True)
class Delivery:
    """How the passages at central compare with the taps."""

    lost: int
    """Answered taps central knows nothing of."""
    duplicated: int
    """Passages beyond what was emitted."""
    inversions: int
    """Passages out of the order in which they happened."""
    contradicted: int
    """Taps whose lamp said something else than central's record."""


def compare(taps: Sequence[Tap], passages: Iterable[dict[str, Any]]) -> Delivery:
    """Compare taps with central's passages, given edge by edge in the order of the journal.

    A tap that was shown `n` times may stand there up to `n` times: a crash may come between the record and the pulse.
    """
    emitted = {(tap.reader, tap.credential, tap.at): tap for tap in taps}
    places = {key: place for place, key in enumerate(emitted)}
    found: Counter[tuple[str, str, datetime]] = Counter()
    verdicts: dict[tuple[str, str, datetime], bool] = {}
    inversions = 0
    for _, journal in groupby(passages, key=lambda each: (each["edge"], each["epoch"])):
        place, received = -1, datetime.min.replace(tzinfo=UTC)
        for passage in journal:
            key = (passage["reader"], passage["credential"], datetime.fromisoformat(passage["at"]))
            found[key] += 1
            verdicts[key] = passage["granted"]
            stored = datetime.fromisoformat(passage["received_at"])
            inversions += stored < received or places.get(key, place) < place
            place, received = max(place, places.get(key, place)), max(received, stored)
    lost = sum(tap.answer is not None and not found[key] for key, tap in emitted.items())
    surplus = sum(max(0, times - (emitted[key].emitted if key in emitted else 0)) for key, times in found.items())
    contradicted = sum(
        key in verdicts and tap.answer is not None and verdicts[key] is not tap.answer for key, tap in emitted.items()
    )
    return Delivery(lost, surplus, inversions, contradicted)


@dataclass(frozen=True)
class Sent:
    """What the sandbox's ledger says of visits."""

    visits: int
    members: int
    twice: int
    """Visits that stand there more than once."""
    wrong: int
    """Visits that match no granted tap of that member in its true local time and offset."""


def compare_ledger(
    visits: Iterable[tuple[str, str]], taps: Iterable[Tap], owners: dict[str, str], zone: ZoneInfo
) -> Sent:
    """Compare the ledger's `(external id, visitDate)` with the taps; `owners` maps credentials to people."""
    times = Counter(visits)
    true = {(owners.get(tap.credential), wire_time(tap.at, zone)) for tap in taps if tap.answer}
    return Sent(
        visits=sum(times.values()),
        members=len({person for person, _ in times}),
        twice=sum(count - 1 for count in times.values()),
        wrong=sum(key not in true for key in times),
    )


def wire_time(at: datetime, zone: ZoneInfo) -> str:
    """A visit's time as it must stand on the wire: the site's wall clock and its offset at that instant."""
    local = at.astimezone(zone)
    offset = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:]}"
