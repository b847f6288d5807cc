"""`site.toml`: what a technician writes down about one edge, checked before anything starts.

Every problem is told with the file, the key, what is wrong and what was probably meant. Unknown keys are refused: a
misspelt `pulse_ms` must not silently become the default.
"""

import base64
import binascii
import tomllib
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from edge.config_errors import nearest, told
from protocol.credential import CardFormat
from protocol.identity import ID_PATTERN
from protocol.policy import ReaderKind
from protocol.wiegand import WiegandFormat

ED25519_KEY_BYTES: Final = 32
_OTHERS: Final = 0o077
"""Permission bits of everybody but the owner."""

Id = Annotated[str, Field(pattern=ID_PATTERN)]
Pin = Annotated[int, Field(ge=0, le=53)]
File = Annotated[Path, Field(strict=False)]


class ConfigError(Exception):
    """The settings cannot be used; the text lists every problem, one a line."""


class Table(BaseModel):
    """Base of every table of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Broker(Table):
    """Where the MQTT broker is and who we are there."""

    host: str = Field(min_length=1)
    port: int = Field(default=1883, ge=1, le=65_535)
    username: str | None = None
    """The edge's id when unset."""
    password: SecretStr | None = None
    password_file: File | None = None
    tls: bool = False
    ca_file: File | None = None


class Central(Table):
    """Where the access list is fetched, and the key it is signed with."""

    url: str = Field(pattern=r"^https?://\S+$", description="an address such as https://central.example")
    token: SecretStr | None = None
    token_file: File | None = None
    public_key: str
    """Ed25519, 32 bytes, base64."""

    @field_validator("public_key")
    @classmethod
    def _key_has_its_length(cls, text: str) -> str:
        try:
            length = len(base64.b64decode(text, validate=True))
        except binascii.Error as fault:
            raise ValueError("is not base64; copy the key that central prints") from fault
        if length != ED25519_KEY_BYTES:
            raise ValueError(
                f"has {length} bytes instead of {ED25519_KEY_BYTES}; copy the whole key that central prints"
            )
        return text


class Gpio(Table):
    """How pins are reached. Never guessed: a factory that does not work stops the start (hardware.md §8)."""

    pin_factory: str = Field(
        default="lgpio",
        pattern=r"^(lgpio|mock|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$",
        description='"lgpio", "mock" or "package.module:Class"',
    )


class Output(Table):
    """One output pin, BCM numbering."""

    pin: Pin
    active_high: bool = True


class RelayMode(StrEnum):
    """How the barrier wants its release input."""

    PULSE = "pulse"
    HOLD = "hold"


class Relay(Output):
    """The barrier's release."""

    mode: Annotated[RelayMode, Field(strict=False)] = RelayMode.PULSE
    pulse_ms: int | None = Field(default=None, ge=100, le=10_000)
    """Overrides what central says of the reader; barriers want 100 ms at least."""


class Rotation(Table):
    """The passage sensor of the barrier."""

    pin: Pin
    active_high: bool = True
    """False where the contact opens at the passage (PERCo)."""
    timeout_s: float = Field(default=6.0, gt=0, le=60, strict=False)
    debounce_ms: int = Field(default=20, ge=0, le=200)


class LaneConfig(Table):
    """One lane: a barrier with its lamps; an exit that is only counted may have no relay."""

    id: Id
    relay: Relay | None = None
    granted_lamp: Output | None = None
    denied_lamp: Output | None = None
    rotation: Rotation | None = None
    opens_first: bool = False
    """Open before the passage is on disk and say so in the entry (rulings 10)."""

    @property
    def pins(self) -> Iterator[tuple[str, int]]:
        """Every pin of the lane with the key it stands under."""
        for key in ("relay", "granted_lamp", "denied_lamp", "rotation"):
            if (table := getattr(self, key)) is not None:
                yield key, table.pin


class ReaderBase(Table):
    """What every reader has."""

    id: Id
    lane: Id
    kind: Annotated[ReaderKind, Field(strict=False)] = ReaderKind.IN
    """Which way it looks until an access list says so: exits open even before the first one."""
    presence_window_s: float = Field(default=1.5, ge=0, le=60, strict=False)
    """The same card within this long of its last sight is the same presentation."""


class SerialReader(ReaderBase):
    """A reader on a serial port."""

    protocol: Literal["rdm6300", "lines"]
    port: str = Field(min_length=1)
    """A path that stays the same after a replug: /dev/serial/by-id/…"""
    baud: int = Field(default=9_600, ge=300, le=4_000_000)
    format: Annotated[CardFormat, Field(strict=False)] = CardFormat.TEXT
    """Of a `lines` reader; an RDM6300 has only one."""
    prefix: str = ""


class WiegandReader(ReaderBase):
    """A reader on two GPIO lines."""

    protocol: Literal["wiegand"]
    chip: str = "/dev/gpiochip0"
    d0: Pin
    d1: Pin
    formats: tuple[Annotated[WiegandFormat, Field(strict=False)], ...] = Field(
        default=(WiegandFormat.H10301,), min_length=1, strict=False
    )
    byte_reverse: bool = False


ReaderConfig = Annotated[SerialReader | WiegandReader, Field(discriminator="protocol")]


class ClockFile(Table):
    """A clock that somebody else sets: replays and demonstrations only (rulings 1)."""

    file: File


class EdgeConfig(Table):
    """The whole file."""

    site: Id
    edge: Id
    data: File
    """Folder of the journal and the access list; relative to the file."""
    broker: Broker
    central: Central
    gpio: Gpio = Gpio()
    clock: ClockFile | None = None
    lanes: tuple[LaneConfig, ...] = Field(min_length=1, strict=False)
    readers: tuple[ReaderConfig, ...] = Field(min_length=1, strict=False)

    @model_validator(mode="after")
    def _things_fit_together(self) -> Self:
        problems = [*_repeated("lanes", self.lanes), *_repeated("readers", self.readers), *_shared_pins(self)]
        lanes = [lane.id for lane in self.lanes]
        for place, reader in enumerate(self.readers):
            if reader.lane not in lanes:
                problems.append(
                    f"readers[{place}].lane: no lane is called {reader.lane!r}{nearest(reader.lane, lanes)}"
                )
        ports = [reader.port for reader in self.readers if isinstance(reader, SerialReader)]
        problems += [
            f"readers: two readers use port {port}" for port in sorted({p for p in ports if ports.count(p) > 1})
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self


class Loaded(NamedTuple):
    """A file that may be used, and what a technician should know about it all the same."""

    config: EdgeConfig
    warnings: tuple[str, ...]


def load(path: Path) -> Loaded:
    """Read and check `path`, resolve its relative paths and read its secret files. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as fault:
        raise ConfigError(f"{path}: cannot be read ({fault.strerror}); name the file with --config") from fault
    except UnicodeDecodeError as fault:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {fault.start}); save it as UTF-8") from fault
    try:
        config = EdgeConfig.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as fault:
        raise ConfigError(f"{path}: is not TOML: {fault}") from fault
    except ValidationError as fault:
        raise ConfigError("\n".join(f"{path}: {line}" for line in told(fault, EdgeConfig))) from fault
    folder = path.resolve().parent
    warnings: list[str] = []
    password = _secret(path, "broker.password", config.broker.password, config.broker.password_file, warnings)
    token = _secret(path, "central.token", config.central.token, config.central.token_file, warnings)
    ca_file = config.broker.ca_file
    broker = {
        "username": config.broker.username or config.edge,
        "password": password,
        "ca_file": folder / ca_file if ca_file else None,
    }
    changes: dict[str, object] = {
        "data": folder / config.data,
        "broker": config.broker.model_copy(update=broker),
        "central": config.central.model_copy(update={"token": token}),
        "clock": ClockFile(file=folder / config.clock.file) if config.clock else None,
    }
    return Loaded(config.model_copy(update=changes), tuple(warnings))


def _secret(settings: Path, key: str, given: SecretStr | None, file: Path | None, warnings: list[str]) -> SecretStr:
    if (given is None) == (file is None):
        count = "both" if given else "neither"
        raise ConfigError(f"{settings}: {key}: {count} of {key} and {key}_file is set; set one of them")
    if given is not None:
        return given
    path = settings.resolve().parent / (file or "")
    try:
        text = path.read_text(encoding="utf-8").strip()
        mode = path.stat().st_mode
    except OSError as fault:
        raise ConfigError(
            f"{settings}: {key}_file: {path} cannot be read ({fault.strerror}); create it with mode 0600"
        ) from fault
    if not text:
        raise ConfigError(f"{settings}: {key}_file: {path} is empty; write the secret into it")
    if mode & _OTHERS:
        warnings.append(f"{key}_file: {path} can be read by others (mode {mode & 0o777:04o}); run chmod 600 {path}")
    return SecretStr(text)


def _repeated(key: str, tables: Sequence[LaneConfig | ReaderBase]) -> Iterator[str]:
    seen: set[str] = set()
    for place, table in enumerate(tables):
        if table.id in seen:
            yield f"{key}[{place}].id: {table.id!r} is used twice; give each its own id"
        seen.add(table.id)


def _shared_pins(config: EdgeConfig) -> Iterator[str]:
    used: dict[int, str] = {}
    pins = [(f"lanes[{place}].{key}.pin", pin) for place, lane in enumerate(config.lanes) for key, pin in lane.pins]
    for place, reader in enumerate(config.readers):
        if isinstance(reader, WiegandReader):
            pins += [(f"readers[{place}].d0", reader.d0), (f"readers[{place}].d1", reader.d1)]
    for key, pin in pins:
        if pin in used:
            yield f"{key}: pin {pin} is already {used[pin]}; give each its own pin"
        used.setdefault(pin, key)
