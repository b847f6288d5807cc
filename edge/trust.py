"""Central's signature: an edge takes access lists and deltas from nobody else (security.md §6)."""

import base64
import binascii
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protocol.messages import signing_input


class Trusted:
    """Central's public key, as it stands in the settings of an edge."""

    def __init__(self, public_key: str) -> None:
        """Read a raw Ed25519 key in base64. Raises `ValueError` when it is none."""
        try:
            self._key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        except (ValueError, binascii.Error) as problem:
            raise ValueError("central's public_key is no Ed25519 key in base64 (44 characters)") from problem

    def vouches(self, purpose: Literal["delta", "snapshot"], site: str, payload: bytes, signature: str) -> bool:
        """Tell whether central signed `payload` for this purpose and this site; `signature` is base64."""
        try:
            self._key.verify(base64.b64decode(signature, validate=True), signing_input(purpose, site, payload))
        except (InvalidSignature, ValueError, binascii.Error):
            return False
        return True
