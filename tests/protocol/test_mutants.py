"""Turn any comparison of the rules and a golden vector goes red: the vectors prove the rules."""

from collections.abc import Sequence

import pytest

from protocol.decision import Denied, grants_entry
from protocol.entitlement import Holder
from protocol.visit import is_new_visit, visit_day
from tests.protocol.mutants import Mutant, mutants
from tests.protocol.test_decision_vectors import OF_ONE_SUBSCRIPTION
from tests.vectors.decision_rows import Vector, VisitDay, vectors, visit_days

EQUIVALENT: dict[str, str] = {}
"""Name of a mutant → why no input can tell it from the rule. Empty is the aim."""

VECTORS = vectors()
VISIT_DAYS = visit_days()
MUTANTS = mutants()


def test_rules_survive_when_nothing_is_wrong() -> None:
    assert noticed_by(VECTORS, VISIT_DAYS) is None


def test_mutator_finds_the_faults_of_every_kind_and_leaves_no_trace() -> None:
    codes = {mutant.function: mutant.function.__code__ for mutant in MUTANTS}
    for mutant in MUTANTS:
        with mutant.planted():
            assert mutant.function.__code__ is mutant.code
    assert {function: function.__code__ for function in codes} == codes
    kinds = [
        sum(kind in mutant.name for mutant in MUTANTS) for kind in ("Lt", "And → Or", "without not", "Is", "→ 3601")
    ]
    assert len(MUTANTS) > 100
    assert min(kinds) >= 1


@pytest.mark.parametrize("mutant", [pytest.param(one, id=one.name) for one in MUTANTS])
def test_a_vector_notices_the_fault(mutant: Mutant) -> None:
    with mutant.planted():
        noticed = noticed_by(VECTORS, VISIT_DAYS)
    assert (noticed is None) == (mutant.name in EQUIVALENT), mutant.name


def noticed_by(rows: Sequence[Vector], days: Sequence[VisitDay]) -> str | None:
    """Return the name of the first row that goes red, or `None`; a rule that falls over has been noticed too."""
    for vector in rows:
        try:
            if not _holds(vector):
                return vector.name
        except (TypeError, AttributeError, IndexError, KeyError, ValueError):
            return vector.name
    return next((day.name for day in days if visit_day(day.local, day.rollover) != day.day), None)


def _holds(vector: Vector) -> bool:
    reader, holder = vector.readers[vector.reader], vector.holder
    if vector.verdict() != vector.then:
        return False
    if isinstance(holder, Holder) and len(holder.entitlements) == 1 and not holder.punch_cards:
        grants = grants_entry(holder.entitlements[0], reader, vector.site, vector.now)
        if grants == bool(OF_ONE_SUBSCRIPTION & set(vector.then.all_reasons)):
            return False
    if not isinstance(vector.then, Denied) and vector.then.new_visit:
        return is_new_visit(vector.open_visit, vector.now, vector.site)
    return True
