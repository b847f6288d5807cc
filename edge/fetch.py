"""Fetches the full access list from central: streamed, unpacked into a file in small pieces, its signature proven.

Everything here blocks and runs in a worker thread. No step holds the interpreter for more than a few milliseconds:
hashing, unpacking and writing let go of it.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

import httpx
import zstandard

from edge.trust import Trusted

PATH: Final = "/edge/v1/access"
REVISION: Final = "X-Wellgate-Revision"
SIGNATURE: Final = "X-Wellgate-Signature"

MAX_BYTES: Final = 1 << 30
"""No access list is larger; a stream that unpacks to more is broken or hostile."""

_TIMEOUT: Final = httpx.Timeout(20.0, connect=5.0)
_CHUNK: Final = 64 * 1024
_WINDOW: Final = 1 << 27


class FetchError(Exception):
    """The list could not be fetched or must not be trusted; the text says why. Trying again later may help."""


class Source(NamedTuple):
    """Where the list comes from, and who may send it."""

    url: str
    """Of central, without a path."""
    token: str
    """This edge's own."""
    site: str
    trusted: Trusted


def fetch(source: Source, target: Path) -> int:
    """Write the newest list of the site to `target`; return the revision central names.

    `target` holds a whole list with a valid signature on return. Raises `FetchError` otherwise; then `target` is gone.
    """
    try:
        return _fetch(source, target)
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        target.unlink(missing_ok=True)
        raise FetchError(f"central at {source.url} cannot be asked for the access list: {problem!r}") from problem
    except zstandard.ZstdError as problem:
        target.unlink(missing_ok=True)
        raise FetchError(f"access list from {source.url} cannot be unpacked: {problem}") from problem
    except OSError as problem:
        target.unlink(missing_ok=True)
        raise FetchError(f"access list cannot be written to {target}: {problem}") from problem
    except FetchError:
        target.unlink(missing_ok=True)
        raise


def _fetch(source: Source, target: Path) -> int:
    headers = {"Authorization": f"Bearer {source.token}", "Accept-Encoding": "identity"}
    with (
        httpx.Client(timeout=_TIMEOUT) as client,
        client.stream("GET", source.url.rstrip("/") + PATH, headers=headers) as response,
    ):
        if response.status_code != httpx.codes.OK:
            what = f"central at {source.url} answers {response.status_code} instead of an access list"
            raise FetchError(what + _ADVICE.get(response.status_code, "; check central.url in the settings"))
        try:
            revision = int(response.headers[REVISION])
            signature = str(response.headers[SIGNATURE])
        except (KeyError, ValueError) as problem:
            raise FetchError(f"answer of {source.url} lacks {REVISION} or {SIGNATURE}") from problem
        digest = _write(_unpacked(response.iter_raw(_CHUNK)), target)
    if not source.trusted.vouches("snapshot", source.site, digest, signature):
        what = f"access list {revision} from {source.url} is not signed by central for site {source.site}"
        raise FetchError(
            f"{what}; compare central.public_key in the settings with what wellgate-central public-key prints"
        )
    return revision


_ADVICE: Final = {
    401: "; check central.token in the settings, and that central has this edge",
    500: "; look at the log of central",
    502: "; look at what stands before central",
    503: "; it will be asked again",
}
"""What a technician does next, by HTTP status; whatever else is answered, it was not by central."""


class _Pieces:
    """A stream of pieces as zstandard wants to read it."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, _size: int = -1) -> bytes:
        return next(self._pieces, b"")


def _unpacked(packed: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack in steps of bounded size: a few bytes may stand for gigabytes, and memory here is small."""
    unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    return unpacker.read_to_iter(cast("IO[bytes]", _Pieces(packed)), read_size=_CHUNK, write_size=_CHUNK)


def _write(pieces: Iterator[bytes], target: Path) -> bytes:
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as file:
        for piece in pieces:
            size += len(piece)
            if size > MAX_BYTES:
                raise FetchError(f"access list unpacks to more than {MAX_BYTES} bytes")
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.digest()
