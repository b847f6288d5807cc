"""Settings of central. The command line wins over the environment (`WELLGATE_…`), then a file, then defaults."""

import difflib
import json
import tomllib
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from central.wire import Zone

ENVIRONMENT: Final = "WELLGATE_"
_MYWELLNESS: Final = "mywellness"


class SettingsError(Exception):
    """The settings cannot be used; the text names each one and what to do."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MywellnessSettings(_Section):
    """The way to Mywellness and how fast to go (`mywellness/settings.py` says what each means)."""

    base_url: Annotated[str, Field(description="base URL of the interface")]
    facility: Annotated[str, Field(description="slug of the club there")] = "mygym"
    api_key: SecretStr
    username: str
    password: SecretStr
    zone: Annotated[Zone, Field(description="whose calendar decides what today is")] = "Europe/Stockholm"
    selection: Annotated[str, Field(description="all_members, person_group, person_category or all_persons")] = (
        "all_members"
    )
    carrying: Annotated[str | None, Field(description="the group or category that selects")] = None
    email_required: bool = True
    calls_per_second: Annotated[float, Field(ge=0, description="0 = as fast as the answers come")] = 1.0
    coalesce_s: Annotated[float, Field(ge=0)] = 30.0
    first_backoff_s: Annotated[float, Field(gt=0)] = 30.0
    late_visit_days: Annotated[int, Field(ge=0)] = 60
    allow_plain: Annotated[bool, Field(description="http without TLS to another machine")] = False


class Settings(_Section):
    """Everything that `wellgate-central` can be told."""

    data: Annotated[Path, Field(description="folder for the database and the signing key")] = Path()
    database: Annotated[str, Field(description="sqlite:///file.db or postgresql://…; default: in the folder")]
    http: Annotated[str, Field(description="HOST:PORT to listen on; port 0 takes a free one")] = "127.0.0.1:8080"
    broker: Annotated[SecretStr | None, Field(description="mqtt://user:password@host:port")] = None
    broker_password_file: Annotated[Path | None, Field(description="file with our password at the broker")] = None
    broker_files: Annotated[Path | None, Field(description="folder where the broker's two files are kept")] = None
    api_key: Annotated[SecretStr | None, Field(description="a staff key that shall open, besides those made")] = None
    live_open: Annotated[bool, Field(description="show the live page to anybody: demonstrations")] = False
    clock_file: Annotated[Path | None, Field(description="follow the clock in this file: replays and tests")] = None
    mywellness: MywellnessSettings | None = None

    @field_validator("http")
    @classmethod
    def _host_and_port(cls, text: str) -> str:
        host, _, port = text.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65_535:  # noqa: PLR2004 - ports end there
            raise ValueError("write it as HOST:PORT, such as 127.0.0.1:8080")
        return text

    @field_validator("database")
    @classmethod
    def _database_url(cls, text: str) -> str:
        if not text.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
            raise ValueError("write it as sqlite:///path/to/file.db or postgresql://user:password@host/name")
        return text

    @field_validator("broker")
    @classmethod
    def _broker_url(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            parts = urlsplit(secret.get_secret_value())
            if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
                raise ValueError("write it as mqtt://user:password@host:port")
        return secret

    @property
    def address(self) -> tuple[str, int]:
        """Where to listen."""
        host, _, port = self.http.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def broker_password(self) -> str | None:
        """Our own password at the broker; raises `SettingsError` when its file cannot be read."""
        if self.broker_password_file is not None:
            try:
                return self.broker_password_file.read_text().strip()
            except OSError as problem:
                raise SettingsError(f"setting broker_password_file cannot be read: {problem}") from problem
        password = urlsplit(self.broker.get_secret_value()).password if self.broker else None
        return None if password is None else unquote(password)


def add_options(parser: ArgumentParser) -> None:
    """Let a command take every setting as an option."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML or JSON file with settings")
    for name, described in Settings.model_fields.items():
        if name != _MYWELLNESS:
            options = ["--clock", "--clock-file"] if name == "clock_file" else [_option(name)]
            parser.add_argument(*options, dest=name, metavar=name.upper(), help=described.description)
    for name, described in MywellnessSettings.model_fields.items():
        option = f"--{_MYWELLNESS}" if name == "base_url" else _option(_MYWELLNESS, name)
        dest = f"{_MYWELLNESS}.{name}"
        parser.add_argument(option, dest=dest, metavar=name.upper(), help=described.description)


def load(arguments: Namespace, environment: Mapping[str, str]) -> Settings:
    """Put the settings together; raises `SettingsError` that names every wrong one at once."""
    given = vars(arguments)
    file = given.get("config") or environment.get(f"{ENVIRONMENT}CONFIG")
    values = _from_file(Path(file)) if file else {}
    mywellness = dict(values.pop(_MYWELLNESS, None) or {})
    for name in Settings.model_fields:
        if name != _MYWELLNESS:
            _take(values, name, environment.get(f"{ENVIRONMENT}{name.upper()}"), given.get(name))
    for name in MywellnessSettings.model_fields:
        key = f"{ENVIRONMENT}{_MYWELLNESS}_{name}".upper()
        _take(mywellness, name, environment.get(key), given.get(f"{_MYWELLNESS}.{name}"))
    if mywellness:
        values[_MYWELLNESS] = mywellness
    values.setdefault("database", f"sqlite:///{Path(values.get('data', '.')) / 'wellgate.db'}")
    try:
        return Settings.model_validate(values)
    except ValidationError as problem:
        lines = [
            _explained(tuple(map(str, error["loc"])), str(error["msg"]), known=error["type"] != "extra_forbidden")
            for error in problem.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise SettingsError("\n".join(lines)) from problem


def _take(values: dict[str, Any], name: str, *stronger: str | None) -> None:
    for value in stronger:
        if value is not None:
            values[name] = value


def _from_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
        return dict(json.loads(text) if path.suffix == ".json" else tomllib.loads(text))
    except (OSError, ValueError) as problem:
        raise SettingsError(f"settings file {path} cannot be read: {problem}") from problem


def _option(*names: str) -> str:
    return "--" + "-".join(names).replace("_", "-")


def _explained(place: tuple[str, ...], message: str, *, known: bool) -> str:
    name = ".".join(place)
    if not known:
        fields = MywellnessSettings.model_fields if place[0] == _MYWELLNESS else Settings.model_fields
        close = difflib.get_close_matches(place[-1], fields, 1)
        return f"setting {name} is unknown" + (f"; did you mean {close[0]}?" if close else "; remove it")
    option = f"--{_MYWELLNESS}" if name == f"{_MYWELLNESS}.base_url" else _option(*place)
    variable = f"{ENVIRONMENT}{'_'.join(place)}".upper()
    what = message.removeprefix("Value error, ")
    return f"setting {name}: {what}; give {option}, {variable}, or it in the settings file"
