"""A process of the demo: started, waited for, killed by its own pid, started again."""

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import Signals
from typing import Final

_STOP_SECONDS: Final = 10.0


class NotReady(Exception):  # noqa: N818 - tells of a program, is not handled
    """A program did not become ready; the text ends with its last words."""


class Program:
    """One program and its log. `python -m …` programs run in this interpreter's environment."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        ready: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare to run `command`; `ready` is the word its standard output begins a line with when it is up."""
        self.name = name
        self.log = log
        self.ready_line = ""
        # Whatever becomes of whoever plays the day, nothing it started outlives it.
        leash = [setpriv, "--pdeathsig", "KILL"] if (setpriv := shutil.which("setpriv")) else []
        self._command = [*leash, *(str(part) for part in command)]
        self._ready = ready
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is compiled once need not be at every restart
        self._process: asyncio.subprocess.Process | None = None
        self._output: asyncio.Task[None] | None = None
        self._came_up = asyncio.Event()
        self._ended = False
        self.starts = 0

    @classmethod
    def python(
        cls,
        name: str,
        module: str,
        *arguments: str | Path,
        log: Path,
        ready: str = "READY",
        environment: Mapping[str, str] | None = None,
    ) -> "Program":
        """Prepare `python -m module arguments`, which begins a line with `ready` when it is up."""
        command = [sys.executable, "-m", module, *arguments]
        return cls(name, command, log, ready=ready, environment=environment)

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def is_ready(self) -> bool:
        """Whether it has come up since it was last started."""
        return self._came_up.is_set() and self.pid is not None

    async def start(self) -> None:
        """Start it; returns at once."""
        self._came_up.clear()
        self.starts += 1
        with self.log.open("ab") as log:
            output = asyncio.subprocess.PIPE if self._ready else log
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=log, env=self._environment
            )
        self._ended = False
        if self._ready:
            self._output = asyncio.create_task(self._read(self._process), name=f"output of {self.name}")
        else:
            self._came_up.set()

    async def ready(self, seconds: float = 30.0) -> str:
        """Wait until it is up and return its ready line; raises `NotReady`."""
        try:
            async with asyncio.timeout(seconds):
                while not self._came_up.is_set():
                    if self.pid is None and not self._ended:
                        break  # it fell by itself; what we have killed is on its way up again
                    await asyncio.sleep(0.005)
        except TimeoutError:
            pass
        if not self.is_ready:
            what = f"did not come up within {seconds:g} s" if self.pid or self._ended else "fell while starting"
            msg = f"{self.name} {what}; its log ends:\n{self.last_words()}"
            raise NotReady(msg)
        return self.ready_line

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self._end(Signals.SIGKILL)

    async def stop(self) -> None:
        """End it the polite way, and by force when it does not go."""
        await self._end(Signals.SIGTERM)

    def send(self, number: Signals) -> None:
        """Send it a signal, if it runs."""
        if self.pid is not None and self._process is not None:
            self._process.send_signal(number)

    def last_words(self, lines: int = 15) -> str:
        """Return the end of its log."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    async def _end(self, number: Signals) -> None:
        if self._process is None:
            return
        self._ended = True
        self._came_up.clear()
        self.send(number)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self.send(Signals.SIGKILL)
            await self._process.wait()
        if self._output is not None:
            await self._output
            self._output = None

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            return
        with self.log.open("ab") as log:
            while line := await process.stdout.readline():
                log.write(line)
                log.flush()
                text = line.decode(errors="replace").strip()
                if self._ready and text.startswith(self._ready):
                    self.ready_line = text
                    self._came_up.set()
