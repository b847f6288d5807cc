"""Our pytest plugin: services that may not be missing, and how a missing one is said.

A test that needs a program of the machine skips with a reason that starts with `MISSING_SERVICE`. With
`--require-services` (what `./dev test --all` passes) such a skip turns the run red: green means that all ran.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

MISSING_SERVICE = "service missing: "

_missed: pytest.StashKey[Counter[str]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-services", action="store_true", help="fail when a test was skipped for want of a service"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_missed] = Counter()
    config.pluginmanager.register(_MissedServices(config), "wellgate-missed-services")


class _MissedServices:
    """Counts skips for want of a service, in the process that reports (with xdist: the controller)."""

    def __init__(self, config: pytest.Config) -> None:
        self._missed = config.stash[_missed]
        self._required = bool(config.getoption("--require-services"))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._count(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._count(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._required and self._missed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._lines():
            terminalreporter.write_line(line, red=self._required, yellow=not self._required)

    def _count(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple):
            _, _, reason = report.longrepr
            if MISSING_SERVICE in reason:
                self._missed[reason.partition(MISSING_SERVICE)[2]] += 1

    def _lines(self) -> Iterator[str]:
        for service, count in sorted(self._missed.items()):
            verdict = "not allowed here" if self._required else "install it, or run ./dev test --all as root"
            yield f"{count} skipped, {MISSING_SERVICE}{service} ({verdict})"
