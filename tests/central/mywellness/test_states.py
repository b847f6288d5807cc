"""The link's table of states against its copy typed by hand from requirements §D-SM."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, strategies as st

from central.mywellness.states import (
    BadTransition,
    LinkContext,
    LinkEvent,
    LinkState,
    SuspendReason,
    available,
    opting_in,
    step,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "link_states.json"
REFUSED = BadTransition.code
FACTS = [each.name for each in fields(LinkContext)]


class Row(NamedTuple):
    state: LinkState | None
    event: LinkEvent
    context: LinkContext
    result: str

    @property
    def claim(self) -> str:
        facts = ", ".join(name for name in FACTS if getattr(self.context, name)) or "-"
        return f"{self.state or 'none'}: {self.event} ({facts}) gives {self.result}"


def named(state: str) -> LinkState | None:
    return None if state == "none" else LinkState(state)


ROWS = [
    Row(named(state), LinkEvent(event), LinkContext(**facts), result)
    for state, event, facts, result in json.loads(VECTORS.read_text(encoding="utf-8"))
]


def outcome(state: LinkState | None, event: LinkEvent, context: LinkContext) -> str:
    try:
        return step(state, event, context=context) or "none"
    except BadTransition as refusal:
        return refusal.code


def cells(*events: LinkEvent) -> list[object]:
    return [pytest.param(row, id=row.claim) for row in ROWS if row.event in events]


@pytest.mark.req("D-28")
def test_a_link_has_exactly_the_seven_states() -> None:
    seven = {"Enabled", "New", "ToUpdate", "CreationError", "ToDelete", "Error", "Suspended"}
    assert {str(state) for state in LinkState} == seven
    with pytest.raises(ValueError, match="Enabeld"):
        LinkState("Enabeld")


@pytest.mark.req("D-29")
@pytest.mark.parametrize("row", cells(*(event for event in LinkEvent if event not in {"suspend", "enable"})))
def test_every_cell_gives_what_the_document_says(row: Row) -> None:
    assert outcome(row.state, row.event, row.context) == row.result


@pytest.mark.req("D-29", "D-31")
@pytest.mark.parametrize("row", cells(LinkEvent.SUSPEND, LinkEvent.ENABLE))
def test_suspend_and_enable_give_what_the_document_says(row: Row) -> None:
    assert outcome(row.state, row.event, row.context) == row.result


def test_the_vectors_hold_every_cell_of_the_table() -> None:
    assert {(row.state, row.event) for row in ROWS} == {
        (state, event) for state in (None, *LinkState) for event in LinkEvent
    }


CONTEXTS = st.builds(LinkContext, *[st.booleans() for _ in fields(LinkContext)])
STATES = st.sampled_from([None, *LinkState])


@given(STATES, st.sampled_from(LinkEvent), CONTEXTS)
def test_each_event_in_each_state_gives_a_result_that_the_vectors_know(
    state: LinkState | None, event: LinkEvent, context: LinkContext
) -> None:
    known = {row.result for row in ROWS if (row.state, row.event) == (state, event)}
    assert outcome(state, event, context) in known


@given(CONTEXTS)
def test_a_person_who_opted_out_is_never_enabled(context: LinkContext) -> None:
    opted_out = LinkContext(
        selected=context.selected, has_remote=context.has_remote, pending=context.pending, opted_out=True
    )
    assert outcome(LinkState.SUSPENDED, LinkEvent.ENABLE, opted_out) == REFUSED


@pytest.mark.parametrize("state", [None, *LinkState])
def test_enable_is_offered_for_suspended_links_only(state: LinkState | None) -> None:
    offered = available(state, context=LinkContext(has_remote=True))
    assert (LinkEvent.ENABLE in offered) is (state is LinkState.SUSPENDED)


@pytest.mark.parametrize("state", list(LinkState))
def test_synchronise_is_offered_where_the_document_lists_it(state: LinkState) -> None:
    listed = {"Enabled", "New", "ToUpdate", "Error", "CreationError"}
    offered = available(state, context=LinkContext(has_remote=True))
    assert (LinkEvent.SYNCHRONISE in offered) is (state in listed)


def test_opting_in_again_enables_only_what_the_opt_out_had_suspended() -> None:
    assert opting_in(SuspendReason.MEMBER_OPT_OUT) is LinkEvent.ENABLE
    assert opting_in(SuspendReason.STAFF) is LinkEvent.CHANGED
    assert step(LinkState.SUSPENDED, opting_in(SuspendReason.STAFF), context=LinkContext()) is LinkState.SUSPENDED


def test_a_refused_event_says_what_was_asked_of_which_state() -> None:
    with pytest.raises(BadTransition, match="state ToDelete cannot take suspend"):
        step(LinkState.TO_DELETE, LinkEvent.SUSPEND, context=LinkContext())
