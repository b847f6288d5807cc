"""`./dev trace` reads marks; it cannot be satisfied by a test that claims everything."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.trace import Trace, as_json, as_text


@dataclass
class FakeItem:
    """A collected test with its marks."""

    nodeid: str
    ids: list[str] = field(default_factory=list[str])

    def iter_markers(self, name: str) -> list[pytest.Mark]:
        assert name == "req"
        return [pytest.mark.req(*self.ids).mark] if self.ids else []


def traced(*items: FakeItem) -> Trace:
    """Return the trace of a made-up collection."""
    trace = Trace()
    trace.pytest_collection_modifyitems(list(items))  # type: ignore[arg-type]
    return trace


def test_rows_of_one_test_count_as_one() -> None:
    trace = traced(FakeItem("a.py::test_x[row 1]", ["A-01"]), FakeItem("a.py::test_x[row 2]", ["A-01"]))
    assert trace.tests_by_id == {"A-01": {"a.py::test_x"}}


def test_an_id_without_a_test_is_missing_in_the_order_of_the_list() -> None:
    trace = traced(FakeItem("a.py::test_x", ["A-34"]), FakeItem("a.py::test_y"))
    assert trace.missing(["D-49", "A-34", "A-01"]) == ["D-49", "A-01"]
    assert "without a test: D-49 A-01" in as_text(trace, ["D-49", "A-34", "A-01"])


@pytest.mark.parametrize(
    ("ids", "overloaded"),
    [
        pytest.param(["A-01", "A-02", "A-03"], False, id="three ids are allowed"),
        pytest.param(["A-01", "A-02", "A-03", "A-04"], True, id="four are not"),
    ],
)
def test_a_test_may_claim_three_ids(ids: list[str], *, overloaded: bool) -> None:
    trace = traced(FakeItem("a.py::test_x", ids))
    assert bool(trace.overloaded) is overloaded
    assert json.loads(as_json(trace, ids))["overloaded"] == ({"a.py::test_x": ids} if overloaded else {})


def test_it_collects_with_pytest_itself_and_answers_in_json_alone(tmp_path: Path) -> None:
    (tmp_path / "test_door.py").write_text("import pytest\n@pytest.mark.req('A-34')\ndef test_it_opens(): ...\n")
    answer = subprocess.run(
        [sys.executable, "-m", "tests.trace", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 1, answer.stderr  # the rest of the scope has no test there
    traced = json.loads(answer.stdout)
    assert (traced["in_scope"], traced["proven"], len(traced["missing"])) == (65, 1, 64)
    assert traced["tests"] == {"A-34": ["test_door.py::test_it_opens"]}
