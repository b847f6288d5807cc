"""What the demo tells people: a line per event on a terminal, nothing where a script listens."""

import asyncio
import json
import sys
from typing import Any, Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress as Bar, TextColumn, TimeElapsedColumn

from deploy.demo.world import World

MARKS: Final = {True: "[green]✓[/]", False: "[red]✕[/]", None: "[yellow]![/]"}


class Step(Protocol):
    """Where a long run stands."""

    @property
    def done(self) -> int:
        """Taps so far."""
        ...

    @property
    def total(self) -> int:
        """Taps altogether."""
        ...

    @property
    def what(self) -> str:
        """What is being done."""
        ...


class Show:
    """Talks on standard error, so that standard output stays for JSON."""

    def __init__(self, *, quiet: bool) -> None:
        """Say nothing but progress marks when `quiet`."""
        self._console = Console(stderr=True, quiet=quiet and not sys.stderr.isatty())
        self._bar: Bar | None = None
        self._task: Any = None

    def opened(self, world: World, what: str) -> None:
        """Tell where everything is."""
        self._console.print(f"\n[bold]wellgate[/] {what} · broker {world.broker_kind}")
        self._console.print(f"  live page         {world.url}/live")
        self._console.print(f"  API description   {world.url}/api/openapi.json")
        self._console.print(f"  sandbox           {world.sandbox_url}/")
        self._console.print(f"  staff API key     {world.api_key}\n")

    def line(self, when: str, mark: bool | None, text: str) -> None:  # noqa: FBT001 - three kinds of line
        """Tell one event."""
        self._console.print(f"  {when}  {MARKS[mark]}  {text}")

    def progress(self, step: Step) -> None:
        """Move the bar on."""
        if self._bar is None:
            columns = (TextColumn("  {task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = Bar(*columns, console=self._console)
            self._task = self._bar.add_task("", total=step.total)
            self._bar.start()
        self._bar.update(self._task, completed=step.done, total=step.total, description=step.what)

    def summary(self, summary: dict[str, Any]) -> None:
        """Tell how it came out."""
        if self._bar is not None:
            self._bar.stop()
        short = {name: value for name, value in summary.items() if name not in {"kills", "settings"}}
        self._console.print("")
        for name, value in short.items():
            self._console.print(f"  {name:<24}{json.dumps(value)}", highlight=False)
        self._console.print("  [red]not as it must be[/]" if summary["failed"] else "  [green]all as it must be[/]")

    async def stay_open(self, world: World) -> None:
        """Keep the gym open until somebody presses Ctrl-C."""
        self._console.print(f"\n  the gym stays open: {world.url}/live — press Ctrl-C to close it")
        while True:
            await asyncio.sleep(1)
            if world.hands is not None:
                world.hands.advance_seconds(1)
