"""`./dev lock`: the hashed requirement files, from `pyproject.toml`, without a word about where packages come from."""

import subprocess
from pathlib import Path

from deploy.dev.environment import Trouble, variables

EXTRAS = ("edge", "central", "postgres", "demo")
HEADER = "# Written by `./dev lock` from {source}; do not edit.\n"


def run(root: Path, python: Path) -> int:
    """Compile every requirements file anew; versions already locked stay unless pyproject.toml asks for others."""
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    folder = root / "requirements"
    compile_one(root, python, folder / "uv.txt", ["requirements/uv.in"])
    compile_one(root, python, folder / "runtime.txt", ["pyproject.toml", *extras])
    compile_one(
        root,
        python,
        folder / "test.txt",
        ["pyproject.toml", *extras, "--group", "test", "--constraint", "requirements/runtime.txt"],
    )
    return 0


def compile_one(root: Path, python: Path, target: Path, arguments: list[str]) -> None:
    """Write one file: for every platform and every Python from 3.11 on, with hashes, without index addresses."""
    options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate"]
    command = [python.parent / "uv", "pip", "compile", "--quiet", *options, *arguments, "--output-file", target]
    done = subprocess.run(
        [str(word) for word in command], cwd=root, env=variables(root), check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        msg = f"cannot compile {target.name}: {done.stderr.strip()}"
        raise Trouble(msg)
    target.write_text(HEADER.format(source=arguments[0]) + target.read_text())
    print(f"dev: wrote {target.relative_to(root)}")
