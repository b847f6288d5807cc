"""`./dev trace`: which requirement is proven by which test, counted against `requirements_in_scope.txt`.

Exit code 1 when an id in scope has no test, or when a test claims more than three ids.
"""

import argparse
import json
import sys
from collections import defaultdict
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import pytest

IN_SCOPE = Path(__file__).with_name("requirements_in_scope.txt")
MOST_MARKS = 3


@dataclass
class Trace:
    """What the marks say. Rows of one parametrized test count as one test, ids are asked of each row."""

    tests_by_id: dict[str, set[str]] = field(default_factory=lambda: defaultdict[str, set[str]](set))
    overloaded: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Read the marks of everything collected (pytest calls this)."""
        for item in items:
            ids = sorted({str(one) for mark in item.iter_markers("req") for one in mark.args})
            for one in ids:
                self.tests_by_id[one].add(item.nodeid.partition("[")[0])
            if len(ids) > MOST_MARKS:
                self.overloaded[item.nodeid] = ids

    def missing(self, scope: list[str]) -> list[str]:
        """Return the ids in scope that no test proves, in the order of the list."""
        return [one for one in scope if one not in self.tests_by_id]


def in_scope(path: Path = IN_SCOPE) -> list[str]:
    """Return the ids that must be proven, in the file's order."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def collect() -> tuple[Trace, str]:
    """Collect all tests without running one; return what their marks say, and pytest's words where it could not."""
    trace, heard = Trace(), StringIO()
    with redirect_stdout(heard):
        code = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider"], plugins=[trace])
    return trace, "" if code == pytest.ExitCode.OK else heard.getvalue()


def as_json(trace: Trace, scope: list[str]) -> str:
    """Return the trace for a program."""
    missing = trace.missing(scope)
    answer = {
        "in_scope": len(scope),
        "proven": len(scope) - len(missing),
        "missing": missing,
        "overloaded": trace.overloaded,
        "tests": {one: sorted(tests) for one, tests in sorted(trace.tests_by_id.items())},
    }
    return json.dumps(answer, indent=2, ensure_ascii=False)


def as_text(trace: Trace, scope: list[str]) -> str:
    """Return the trace for a reader: ids in scope first, then what is proven beyond."""
    further = sorted(set(trace.tests_by_id) - set(scope))
    lines: list[str] = []
    for one in [*scope, *further]:
        tests = sorted(trace.tests_by_id.get(one, ()))
        lines.append(f"{one:<6} {'' if tests else 'NO TEST'}{f'{len(tests)} test(s)' if tests else ''}")
        lines.extend(f"       {test}" for test in tests)
    lines.extend(f"more than {MOST_MARKS} ids: {test}: {', '.join(ids)}" for test, ids in trace.overloaded.items())
    missing = trace.missing(scope)
    lines.append(f"trace: {len(scope) - len(missing)} of {len(scope)} ids in scope proven, {len(further)} beyond")
    if missing:
        lines.append(f"trace: without a test: {' '.join(missing)}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Print the trace; return 0 when every id in scope is proven and no test claims too much."""
    parser = argparse.ArgumentParser(prog="./dev trace", description=__doc__)
    parser.add_argument("--json", action="store_true", help="for a program")
    wanted = parser.parse_args(arguments)
    trace, problem = collect()
    if problem:
        print(f"{problem}\ntrace: the tests cannot be collected", file=sys.stderr)
        return 2
    scope = in_scope()
    print(as_json(trace, scope) if wanted.json else as_text(trace, scope))
    return 1 if trace.missing(scope) or trace.overloaded else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
