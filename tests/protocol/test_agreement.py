"""The rules of the wire in `docs/protocol.md` are numbered without gaps, and the tests beside them exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
RULE = re.compile(r"^\| (?P<number>\d+) \| (?P<rule>.+) \| (?P<test>–|`[^`]+`) \|$", re.MULTILINE)
RULES = [match.groupdict() for match in RULE.finditer((ROOT / "docs" / "protocol.md").read_text("utf-8"))]


def test_rules_are_numbered_from_one_without_gaps_and_each_obliges() -> None:
    assert [int(rule["number"]) for rule in RULES] == list(range(1, len(RULES) + 1))
    assert len(RULES) >= 30
    assert [rule["number"] for rule in RULES if "MUST" not in rule["rule"]] == []


def test_every_test_beside_a_rule_exists() -> None:
    named = {rule["test"].strip("`") for rule in RULES if rule["test"] != "–"}
    assert sorted(name for name in named if not exists(name)) == []


def test_a_test_that_is_not_there_would_be_noticed() -> None:
    assert exists("tests/protocol/test_agreement.py::test_a_test_that_is_not_there_would_be_noticed")
    assert not exists("tests/protocol/test_agreement.py::test_nobody_wrote")
    assert not exists("tests/protocol/test_nothing.py::test_nobody_wrote")


def exists(name: str) -> bool:
    path, _, function = name.partition("::")
    file = ROOT / path
    if not file.is_file():
        return False
    body = ast.parse(file.read_text("utf-8")).body
    return function in {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
