"""Reads the reader vectors: our own, and those of the reference documents where they lie beside the project."""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SHARED = HERE.parents[1] / ".." / "shared" / "data" / "reader_vectors.json"
WHY_SKIPPED = "the reference documents do not lie beside the project (../shared/data/reader_vectors.json)"

Row = dict[str, Any]


def own(section: str) -> list[Row]:
    """Return one section of readers.json."""
    document = json.loads((HERE / "readers.json").read_text(encoding="utf-8"))
    rows: list[Row] = document[section]
    return rows


def shared(kind: str) -> list[Row]:
    """Return the reference vectors of a kind, or none where the file is absent."""
    if not SHARED.exists():
        return []
    return [row for row in json.loads(SHARED.read_text(encoding="utf-8")) if row["kind"] == kind]
