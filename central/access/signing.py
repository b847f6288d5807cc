"""Central's Ed25519 key for access lists. The private half never leaves the data folder."""

import base64
import os
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from central.config import SettingsError
from protocol.messages import Signed, signing_input


class Signer:
    """Signs access lists and deltas."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        """Sign with `key`."""
        self._key = key

    @classmethod
    def from_folder(cls, folder: Path) -> "Signer":
        """Read the key kept in `folder`, or make one that only the owner may read."""
        path = folder / "signing.key"
        try:
            return cls(Ed25519PrivateKey.from_private_bytes(path.read_bytes()))
        except ValueError as problem:
            advice = "bring it back from a copy: edges trust no other than the one they were given"
            raise SettingsError(f"{path} is no key of ours ({problem}); {advice}") from problem
        except FileNotFoundError:
            key = Ed25519PrivateKey.generate()
            folder.mkdir(parents=True, exist_ok=True)
            raw = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
            fresh = path.with_suffix(".new")
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
            return cls(key)

    @property
    def public_key(self) -> str:
        """The public half, base64, as it stands in an edge's `site.toml`."""
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return base64.b64encode(raw).decode()

    def signature(self, purpose: Literal["delta", "snapshot"], site: str, payload: bytes) -> str:
        """Return the base64 signature of `payload` for one purpose and site."""
        return base64.b64encode(self._key.sign(signing_input(purpose, site, payload))).decode()

    def signed_delta(self, site: str, body: str) -> Signed:
        """Return the envelope of a delta."""
        return Signed(body=body, signature=self.signature("delta", site, body.encode()))
