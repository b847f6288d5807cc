"""Writes `docs/asyncapi.json` again: `python -m tests.protocol.write_asyncapi`."""

import json
from pathlib import Path
from typing import Final

from protocol.asyncapi import document

WRITTEN: Final = Path(__file__).parents[2] / "docs" / "asyncapi.json"


def text() -> str:
    """Return the document as it lies in the file."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    WRITTEN.write_text(text(), "utf-8")
