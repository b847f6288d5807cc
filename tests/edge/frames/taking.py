"""What the tests of all framers share."""

from collections.abc import Iterator
from typing import Protocol

from hypothesis import strategies as st

from edge.frames import Read


class CardSource(Protocol):
    def next_card(self) -> Read | None: ...


def cards(framer: CardSource) -> list[str]:
    """Take all cards a framer has, in canonical form."""
    return [read.credential.canonical for read in reads(framer)]


def reads(framer: CardSource) -> Iterator[Read]:
    """Take all reads a framer has."""
    while (read := framer.next_card()) is not None:
        yield read


@st.composite
def chunked(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Cut bytes at arbitrary places, as a serial port does."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
