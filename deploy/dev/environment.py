"""The checkout's own `.venv`: made once, filled from the hashed requirements, known by the hash of what went in."""

import fcntl
import hashlib
import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class Group(StrEnum):
    """What is installed: enough to run, or enough to test. The second contains the first, in the same versions."""

    RUNTIME = "runtime"
    TEST = "test"


class Trouble(Exception):  # noqa: N818 – it is shown to a person, not handled as an error
    """Something the machine lacks; the text says what to do next."""


def python_in(root: Path) -> Path:
    """Return where the environment's Python is or will be."""
    return root / ".venv" / "bin" / "python"


def variables(root: Path) -> dict[str, str]:
    """Return the environment for our programs: the machine's certificates, the checkout importable from any folder."""
    ours = {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")])),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_NATIVE_TLS": "1",  # the name until uv 0.9
        "UV_SYSTEM_CERTS": "1",
        "UV_NO_PROGRESS": "1",
        "VIRTUAL_ENV": str(root / ".venv"),
    }
    return {**os.environ, **ours}


def call(command: Sequence[str | Path], root: Path) -> int:
    """Run one of our programs in the checkout, in the foreground, and return its exit code."""
    sys.stdout.flush()
    return subprocess.run([str(word) for word in command], cwd=root, env=variables(root), check=False).returncode


def ready(root: Path, group: Group) -> Path:
    """Return the environment's Python, after making and filling the environment if the lock says so."""
    python = python_in(root)
    if is_current(root, group):
        return python
    started = time.monotonic()
    with alone(root):
        if is_current(root, group):  # another ./dev was faster
            return python
        say(f"preparing .venv with Python {sys.version_info.major}.{sys.version_info.minor} ({group} set) …")
        make(root)
        how = fill(root, group)
        remember(root, group)
    say(f"ready after {time.monotonic() - started:.0f} s ({how})")
    return python


def deps(root: Path, arguments: list[str]) -> int:
    """Install one group and stop: for images and for a first run without a network later."""
    for name in arguments or [Group.RUNTIME]:
        ready(root, Group(name))
    return 0


def fingerprint(root: Path, group: Group) -> str:
    """Return the hash of what the group's lock file asks for."""
    return hashlib.sha256(lock_file(root, group).read_bytes()).hexdigest()


def lock_file(root: Path, group: Group) -> Path:
    return root / "requirements" / f"{group}.txt"


def stamp(root: Path, group: Group) -> Path:
    return root / ".venv" / f"wellgate-{group}.sha256"


def is_current(root: Path, group: Group) -> bool:
    """Say whether what the lock file asks for is installed. The test set serves for running, too."""
    if not runs(python_in(root)):
        return False
    satisfying = [Group.TEST] if group is Group.TEST else [Group.RUNTIME, Group.TEST]
    return any(noted(root, one) == fingerprint(root, one) for one in satisfying)


def noted(root: Path, group: Group) -> str | None:
    try:
        return stamp(root, group).read_text()
    except FileNotFoundError:
        return None


def remember(root: Path, group: Group) -> None:
    """Note what was installed; one set may have replaced versions of the other, so only the last note stands."""
    for other in Group:
        stamp(root, other).unlink(missing_ok=True)
    stamp(root, group).write_text(fingerprint(root, group))


def runs(python: Path) -> bool:
    """Say whether this is a working Python (its base may have been upgraded away)."""
    if not python.exists():
        return False
    return subprocess.run([python, "-I", "-c", ""], check=False, capture_output=True).returncode == 0


def make(root: Path) -> None:
    """Create the environment, or repair one whose base Python went away; one that works stays as it is."""
    if not runs(python_in(root)):
        venv.EnvBuilder(with_pip=True, clear=True, symlinks=True).create(root / ".venv")
    elif silent([python_in(root), "-m", "pip", "--version"], root):  # made by someone else's tool, without pip
        silent([python_in(root), "-m", "ensurepip"], root)


def fill(root: Path, group: Group) -> str:
    """Install the group's lock file with uv, or with pip where uv cannot be had, and say which it was."""
    wanted = lock_file(root, group)
    pip: list[str | Path] = [python_in(root), "-m", "pip", "install", "--quiet", "--require-hashes", "-r"]
    uv: list[str | Path] = [
        root / ".venv" / "bin" / "uv",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "-r",
        wanted,
    ]
    if os.environ.get("WELLGATE_INSTALLER") != "pip" and not silent([*pip, root / "requirements" / "uv.txt"], root):
        problem = silent(uv, root)
        if not problem:
            return "uv"
        say(f"uv did not manage, trying pip: {problem.splitlines()[-1]}")
    problem = silent([*pip, wanted], root)
    if problem:
        msg = f"cannot install {wanted.relative_to(root)}; is a package index within reach? pip said:\n{problem}"
        raise Trouble(msg)
    return "pip"


def silent(command: Sequence[str | Path], root: Path) -> str:
    """Run a command and return what it complained of: empty when it worked."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=root,
        env=variables(root),
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode == 0:
        return ""
    return (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Let one ./dev at a time touch the environment; a second one waits."""
    (root / ".venv").mkdir(exist_ok=True)
    descriptor = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def say(text: str) -> None:
    """Tell what takes time, on the error stream: standard output belongs to the command."""
    print(f"dev: {text}", file=sys.stderr, flush=True)
