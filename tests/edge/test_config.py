"""The settings file: the shipped example is right, and every mistake is told by file, key and remedy."""

from pathlib import Path

import pytest

from edge.config import ConfigError, SerialReader, WiegandReader, load

EXAMPLE = Path(__file__).parents[2] / "deploy" / "edge" / "site.example.toml"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example with its secrets beside it, as a technician would leave it."""
    for name in ("broker-password", "central-token"):
        secret = tmp_path / name
        secret.write_text("correct horse\n")
        secret.chmod(0o600)
    path = tmp_path / "site.toml"
    path.write_text(EXAMPLE.read_text())
    return path


def spoilt(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def test_the_example_is_valid_and_its_readers_lead_to_its_lanes(example: Path) -> None:
    config, warnings = load(example)
    assert warnings == ()
    assert [(reader.id, reader.lane) for reader in config.readers] == [
        ("RD-IN", "entrance"), ("RD-QR", "entrance"), ("RD-OUT", "exit"),
    ]  # fmt: skip
    assert isinstance(config.readers[0], SerialReader)
    assert isinstance(config.readers[2], WiegandReader)
    assert config.broker.username == "edge-1"


def test_relative_paths_are_relative_to_the_file(example: Path) -> None:
    config = load(spoilt(example, "/var/lib/wellgate-edge", "state")).config
    assert config.data == example.parent / "state"


def test_secrets_are_read_from_their_files_and_never_shown(example: Path) -> None:
    config = load(example).config
    assert config.broker.password is not None
    assert config.broker.password.get_secret_value() == "correct horse"
    assert "correct horse" not in repr(config)
    assert "correct horse" not in str(config.central)


def test_a_secret_that_others_can_read_is_warned_about(example: Path) -> None:
    (example.parent / "central-token").chmod(0o644)
    (warning,) = load(example).warnings
    assert "central.token_file" in warning
    assert "chmod 600" in warning


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            "presence_window_s",
            "presence_windows",
            ["readers[0].presence_windows: unknown key", "did you mean 'presence_window_s'?"],
            id="misspelt key of a reader",
        ),
        pytest.param(
            "relay = { pin = 17,",
            "relay = { pins = 17,",
            ["lanes[0].relay.pins: unknown key; did you mean 'pin'?", "lanes[0].relay.pin: field required"],
            id="misspelt key of a relay",
        ),
        pytest.param(
            'site = "F1"',
            'site = "F1"\nsitte = 1',
            ["sitte: unknown key; did you mean 'site'?"],
            id="misspelt key at the top",
        ),
        pytest.param(
            "pin = 17", 'pin = "17"', ["lanes[0].relay.pin: input should be a valid integer"], id="text for a number"
        ),
        pytest.param(
            'lane = "exit"',
            'lane = "exitt"',
            ["readers[2].lane: no lane is called 'exitt'; did you mean 'exit'?"],
            id="reader at no lane",
        ),
        pytest.param(
            "pin = 22", "pin = 17", ["lanes[0].granted_lamp.pin: pin 17 is already lanes[0].relay"], id="pin used twice"
        ),
        pytest.param('id = "RD-QR"', 'id = "RD-IN"', ["readers[1].id: 'RD-IN' is used twice"], id="reader id twice"),
        pytest.param(
            "usb-scanner-if00",
            "usb-FTDI_entrance-if00-port0",
            ["two readers use port /dev/serial/by-id/usb-FTDI"],
            id="port used twice",
        ),
        pytest.param(
            'protocol = "rdm6300"',
            'protocol = "rdm630"',
            ["readers[0].protocol: unknown word 'rdm630'", "rdm6300", "wiegand"],
            id="unknown protocol",
        ),
        pytest.param(
            'pin_factory = "lgpio"',
            'pin_factory = "lgpoi"',
            ['gpio.pin_factory: is not "lgpio", "mock"'],
            id="unknown pin factory",
        ),
        pytest.param("AAAA=", "A=", ["central.public_key", "copy the"], id="public key cut short"),
        pytest.param(
            'token_file = "central-token"',
            'token_file = "nowhere"',
            ["central.token_file", "nowhere", "0600"],
            id="secret file missing",
        ),
        pytest.param('token_file = "central-token"', "", ["central.token: neither"], id="no secret at all"),
        pytest.param("port = 8883", "port = ", ["is not TOML", "line"], id="no TOML"),
    ],
)
def test_a_mistake_is_told_with_file_and_key(example: Path, old: str, new: str, expected: list[str]) -> None:
    with pytest.raises(ConfigError) as told:
        load(spoilt(example, old, new))
    for part in expected:
        assert part in str(told.value)


def test_every_line_of_a_problem_names_the_file(example: Path) -> None:
    spoilt(example, "pin = 17", 'pin = "17"')
    with pytest.raises(ConfigError) as told:
        load(spoilt(example, 'site = "F1"', "site = 1"))
    lines = str(told.value).splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{example}: ") for line in lines)


def test_a_missing_file_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"site\.toml: cannot be read .*--config"):
        load(tmp_path / "site.toml")


def test_a_list_that_only_a_mistake_inside_left_empty_is_not_told_beside_it(example: Path) -> None:
    with pytest.raises(ConfigError) as told:
        load(spoilt(example, "relay = { pin = 17,", "reley = { pin = 17,"))
    assert str(told.value).splitlines() == [f"{example}: lanes[0].reley: unknown key; did you mean 'relay'?"]


def test_a_file_that_is_no_utf8_is_told(example: Path) -> None:
    example.write_bytes(b'site = "\xff"\n')
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load(example)
