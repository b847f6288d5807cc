"""The access list from central over real HTTP: signed and whole, or not at all, and for as long as it takes."""

import asyncio
import base64
import hashlib
import http.server
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.clock import SystemClock
from edge.fetch import PATH, FetchError, Source, fetch
from edge.store.access import AccessStore
from edge.sync import AccessSync
from edge.trust import Trusted
from protocol.access import Row
from protocol.messages import Delta, Revision, Signed, signing_input
from tests.edge.store.lists import SITE, delta, member, snapshot

KEY = Ed25519PrivateKey.generate()
PUBLIC = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
CARD_1, CARD_2 = "em40:0000000001", "em40:0000000002"


def signature(purpose: str, payload: bytes, site: str = SITE) -> str:
    return base64.b64encode(KEY.sign(signing_input(purpose, site, payload))).decode()  # type: ignore[arg-type]


def signed(one: Delta) -> Signed:
    body = one.model_dump_json(by_alias=True)
    return Signed(body=body, signature=signature("delta", body.encode()))


class Central:
    """Serves one file as central would; `break_` changes the answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests = 0
        self.status = 200
        self.truncate = False
        self.headers: dict[str, str] = {}
        self.body = b""
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests += 1
                known = self.path == PATH and self.headers["Authorization"] == "Bearer edge-token"
                self.send_response(outer.status if known else 401)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body[: len(outer.body) // 2] if outer.truncate else outer.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 – its signature
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.source = Source(f"http://127.0.0.1:{self.server.server_port}", "edge-token", SITE, Trusted(PUBLIC))

    def publish(self, revision: int, rows: list[Row], *, site: str = SITE) -> None:
        raw = snapshot(self.folder / "made.db", revision, rows).read_bytes()
        self.body = zstandard.compress(raw)
        digest = hashlib.sha256(raw).digest()
        self.headers = {
            "X-Wellgate-Revision": str(revision),
            "X-Wellgate-Signature": signature("snapshot", digest, site),
        }


@pytest.fixture
def central(tmp_path: Path) -> Iterator[Central]:
    (tmp_path / "central").mkdir()
    one = Central(tmp_path / "central")
    serving = threading.Thread(target=one.server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        yield one
    finally:
        one.server.shutdown()
        serving.join()
        one.server.server_close()


@asynccontextmanager
async def syncing(folder: Path, central: Central) -> AsyncIterator[tuple[AccessStore, AccessSync]]:
    store = AccessStore.open(folder, site=SITE)
    sync = AccessSync(store, central.source, SystemClock(), random.Random(1))  # noqa: S311 – jitter
    running = asyncio.create_task(sync.run())
    try:
        yield store, sync
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        store.close()


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 – over threads there is no event
            await asyncio.sleep(0.005)


# --- fetching ---------------------------------------------------------------------------------------------------------


def test_a_fetched_list_is_byte_for_byte_what_central_signed(tmp_path: Path, central: Central) -> None:
    central.publish(12, [*member(1)])
    assert fetch(central.source, tmp_path / "list") == 12
    assert (tmp_path / "list").read_bytes() == (central.folder / "made.db").read_bytes()


@pytest.mark.parametrize("fault", ["other key", "other site", "changed bytes", "cut short", "not packed", "no headers"])
def test_a_list_that_is_not_whole_and_signed_for_this_site_is_not_kept(
    tmp_path: Path, central: Central, fault: str
) -> None:
    central.publish(12, [*member(1)], site="F2" if fault == "other site" else SITE)
    match fault:
        case "other key":
            central.headers["X-Wellgate-Signature"] = base64.b64encode(bytes(64)).decode()
        case "changed bytes":
            raw = zstandard.decompress(central.body)
            central.body = zstandard.compress(raw[:-1] + b"!")
        case "cut short":
            central.truncate = True
        case "not packed":
            central.body = b"<html>captive portal</html>"
        case "no headers":
            central.headers.clear()
    with pytest.raises(FetchError):
        fetch(central.source, tmp_path / "list")
    assert not (tmp_path / "list").exists()


def test_a_wrong_token_is_told(tmp_path: Path, central: Central) -> None:
    with pytest.raises(FetchError, match=r"answers 401 .* check central\.token"):
        fetch(central.source._replace(token="guessed"), tmp_path / "list")


def test_a_central_that_is_not_there_is_told(tmp_path: Path) -> None:
    source = Source("http://127.0.0.1:9", "edge-token", SITE, Trusted(PUBLIC))
    with pytest.raises(FetchError, match="cannot be asked"):
        fetch(source, tmp_path / "list")


@pytest.mark.parametrize("text", ["", "no base64", base64.b64encode(bytes(31)).decode()])
def test_a_public_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no Ed25519 key"):
        Trusted(text)


def test_a_signature_for_one_purpose_or_site_serves_no_other() -> None:
    trusted = Trusted(PUBLIC)
    text = signature("delta", b"payload")
    assert trusted.vouches("delta", SITE, b"payload", text)
    assert not trusted.vouches("snapshot", SITE, b"payload", text)
    assert not trusted.vouches("delta", "F2", b"payload", text)
    assert not trusted.vouches("delta", SITE, b"payloae", text)
    assert not trusted.vouches("delta", SITE, b"payload", "###")


# --- keeping current --------------------------------------------------------------------------------------------------


async def test_an_edge_without_a_list_fetches_one_by_itself(tmp_path: Path, central: Central) -> None:
    central.publish(12, [*member(1)])
    async with syncing(tmp_path, central) as (store, _):
        await until(lambda: store.revision == 12)
        assert store.lookup(CARD_1) is not None


async def test_it_tries_again_until_central_answers(tmp_path: Path, central: Central) -> None:
    central.publish(12, [*member(1)])
    central.status = 503
    async with syncing(tmp_path, central) as (store, sync):
        await until(lambda: central.requests >= 2)
        assert any("answers 503" in problem for problem in sync.problems())
        central.status = 200
        await until(lambda: store.revision == 12)
        await until(lambda: not sync.problems())


async def test_signed_deltas_are_applied_without_fetching(tmp_path: Path, central: Central) -> None:
    central.publish(12, [*member(1)])
    async with syncing(tmp_path, central) as (store, sync):
        await until(lambda: store.revision == 12)
        sync.on_delta(signed(delta(12, 13, member(2))))
        sync.on_delta(signed(delta(13, 14, member(1, blocked=True))))
        sync.on_revision(Revision(revision=14))
        await until(lambda: store.revision == 14)
        assert store.lookup(CARD_2) is not None
        assert central.requests == 1


async def test_a_missing_delta_is_made_good_by_the_full_list(tmp_path: Path, central: Central) -> None:
    central.publish(12, [*member(1)])
    async with syncing(tmp_path, central) as (store, sync):
        await until(lambda: store.revision == 12)
        central.publish(14, [*member(1), *member(2)])
        sync.on_delta(signed(delta(13, 14, member(2))))
        await until(lambda: store.revision == 14)
        assert central.requests == 2


async def test_a_newer_revision_after_a_reconnect_is_fetched_and_the_same_one_is_not(
    tmp_path: Path, central: Central
) -> None:
    central.publish(12, [*member(1)])
    async with syncing(tmp_path, central) as (store, sync):
        await until(lambda: store.revision == 12)
        sync.on_revision(Revision(revision=12))
        sync.on_revision(Revision(revision=11))
        await asyncio.sleep(0.05)
        assert central.requests == 1
        central.publish(15, [*member(2)])
        sync.on_revision(Revision(revision=15))
        await until(lambda: store.revision == 15)
        assert store.lookup(CARD_1) is None


async def test_an_unsigned_delta_changes_nothing(tmp_path: Path, central: Central) -> None:
    central.publish(12, [*member(1)])
    async with syncing(tmp_path, central) as (store, sync):
        await until(lambda: store.revision == 12)
        body = delta(12, 13, member(2)).model_dump_json(by_alias=True)
        sync.on_delta(Signed(body=body, signature=base64.b64encode(bytes(64)).decode()))
        await asyncio.sleep(0.05)
        assert (store.revision, store.lookup(CARD_2)) == (12, None)


async def test_an_older_list_from_central_never_replaces_a_newer_one(tmp_path: Path, central: Central) -> None:
    central.publish(12, [*member(1)])
    async with syncing(tmp_path, central) as (store, sync):
        await until(lambda: store.revision == 12)
        central.publish(11, [*member(2)])
        sync.reload()
        await until(lambda: central.requests >= 2)
        await asyncio.sleep(0.05)
        assert (store.revision, store.lookup(CARD_2)) == (12, None)
        assert not store.draft().exists()
