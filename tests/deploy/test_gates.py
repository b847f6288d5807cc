"""The gates can fail: a planted fault of each kind turns them red."""

import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.trace import in_scope

pytest_plugins = ["pytester"]

FOLDERS = ("protocol", "edge", "central", "deploy", "tests")
PLUGIN = ROOT / "tests" / "plugin.py"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree with our folders, our contracts, and nothing forbidden in it."""
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert len(configuration["tool"]["importlinter"]["contracts"]) == 7
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    for name in FOLDERS:
        write(tmp_path, f"{name}/__init__.py", "")
    write(tmp_path, "tests/import_contracts.py", (ROOT / "tests" / "import_contracts.py").read_text())
    for feature in ("people", "passages"):
        write(tmp_path, f"central/{feature}/__init__.py", "")
        write(tmp_path, f"central/{feature}/store.py", "")
        write(tmp_path, f"central/{feature}/service.py", f"import central.{feature}.store\n")
    write(tmp_path, "central/app.py", "import central.people.store\n")
    return tmp_path


def write(tree: Path, name: str, text: str) -> None:
    """Write one file of a tree."""
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    """Judge a tree by our contracts."""
    lint = Path(sys.executable).with_name("lint-imports")
    return subprocess.run([lint, "--no-cache"], cwd=tree, check=False, capture_output=True, text=True, env={})


def test_a_clean_tree_keeps_all_contracts_though_most_modules_are_not_there(tree: Path) -> None:
    answer = lint_imports(tree)
    assert "7 kept, 0 broken" in answer.stdout, answer.stdout + answer.stderr
    assert answer.returncode == 0


@pytest.mark.parametrize(
    ("module", "text"),
    [
        pytest.param("edge/uplink.py", "import central.app", id="edge imports central"),
        pytest.param("protocol/topics.py", "import edge", id="protocol imports edge"),
        pytest.param("protocol/decision.py", "import asyncio", id="protocol imports asyncio"),
        pytest.param("edge/lane.py", "from time import monotonic", id="the lane reads a clock"),
        pytest.param("edge/frames/__init__.py", "import serial", id="a framer opens a port"),
        pytest.param("central/people/rules.py", "import sqlalchemy", id="rules ask the database"),
        pytest.param(
            "central/people/service.py", "import central.passages.store", id="a feature reads another's store"
        ),
        pytest.param("central/people/api.py", "import central.people.store", id="an api reads its own store"),
        pytest.param("central/app.py", "import tests", id="the product imports its tests"),
        pytest.param("deploy/demo.py", "import tests", id="the demo imports the tests"),
    ],
)
def test_a_planted_import_breaks_one_contract(tree: Path, module: str, text: str) -> None:
    write(tree, module, f"{text}\n")
    answer = lint_imports(tree)
    assert "6 kept, 1 broken" in answer.stdout, answer.stdout + answer.stderr
    assert answer.returncode == 1


def test_rules_are_impure_by_way_of_another_module_too(tree: Path) -> None:
    write(tree, "edge/delivery.py", "import edge.innocent\n")
    write(tree, "edge/innocent.py", "import socket\n")
    assert "edge.delivery -> edge.innocent" in lint_imports(tree).stdout


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        pytest.param([], pytest.ExitCode.OK, id="tolerated at a desk"),
        pytest.param(["--require-services"], pytest.ExitCode.TESTS_FAILED, id="not tolerated with --all"),
        pytest.param(["--require-services", "-n", "1"], pytest.ExitCode.TESTS_FAILED, id="nor by a worker"),
    ],
)
def test_a_skip_for_want_of_a_service(pytester: pytest.Pytester, options: list[str], outcome: pytest.ExitCode) -> None:
    pytester.makepyfile(plugin=PLUGIN.read_text())
    pytester.makepyfile(
        textwrap.dedent("""
            import pytest

            def test_that_needs_a_broker():
                pytest.skip("service missing: heron")

            def test_that_needs_nothing():
                pass
        """)
    )
    answer = pytester.runpytest_subprocess("-p", "plugin", "-W", "ignore", *options)
    assert answer.ret == outcome
    answer.stdout.fnmatch_lines(["*1 skipped, service missing: heron*"])


def test_another_skip_is_no_fault_even_where_services_are_required(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(plugin=PLUGIN.read_text())
    pytester.makepyfile("import pytest\ndef test_far_away(): pytest.skip('reference data missing: …')\n")
    assert pytester.runpytest_subprocess("-p", "plugin", "--require-services").ret == pytest.ExitCode.OK


def test_the_scope_is_the_main_path() -> None:
    scope = in_scope()
    assert len(scope) == len(set(scope)) == 65
    assert {"A-01", "A-34", "B-21", "C-16", "D-49", "D-60"} <= set(scope)
    assert not {"A-54", "B-02", "D-30", "D-32", "D-37", "D-38", "D-39", "D-41", "D-42", "D-57"} & set(scope)
