"""Settings come from four places, and a wrong one is named with what to do."""

import json
from argparse import ArgumentParser
from pathlib import Path

import pytest

from central.config import Settings, SettingsError, add_options, load

SECRET = "hunter2hunter2"


def loaded(*arguments: str, **environment: str) -> Settings:
    parser = ArgumentParser()
    add_options(parser)
    return load(parser.parse_args(arguments), {f"WELLGATE_{name}": value for name, value in environment.items()})


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "central.toml"
    file.write_text('http = "127.0.0.1:1"\ndata = "from-file"\ndatabase = "sqlite:///file.db"\n')

    settings = loaded("--config", str(file), "--http", "127.0.0.1:3", HTTP="127.0.0.1:2", DATA="from-environment")

    assert settings.address == ("127.0.0.1", 3)
    assert settings.data == Path("from-environment")
    assert settings.database == "sqlite:///file.db"


def test_without_a_database_it_lies_in_the_data_folder() -> None:
    assert loaded("--data", "/srv/gym").database == "sqlite:////srv/gym/wellgate.db"


@pytest.mark.parametrize("suffix", [".json", ".toml"])
def test_a_section_of_the_file_is_completed_by_the_environment(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"central{suffix}"
    section = {"base_url": "https://example.org", "username": "u", "api_key": "k"}
    text = "[mywellness]\n" + "".join(f'{name} = "{value}"\n' for name, value in section.items())
    file.write_text(json.dumps({"mywellness": section}) if suffix == ".json" else text)

    settings = loaded("--config", str(file), MYWELLNESS_PASSWORD=SECRET)

    assert settings.mywellness is not None
    assert settings.mywellness.password.get_secret_value() == SECRET
    assert settings.mywellness.calls_per_second == 1.0


def test_secrets_are_not_shown() -> None:
    settings = loaded("--broker", f"mqtt://central:{SECRET}@localhost", "--api-key", SECRET)
    assert settings.broker_password == SECRET
    assert SECRET not in repr(settings)


def test_the_password_of_the_broker_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{SECRET}\n")
    settings = loaded("--broker", "mqtt://central@localhost", "--broker-password-file", str(tmp_path / "password"))
    assert settings.broker_password == SECRET


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param('htpp = "x"', "setting htpp is unknown; did you mean http?", id="misspelt"),
        pytest.param("[mywellness]\nfacilty = 'x'", "did you mean facility?", id="in a section"),
        pytest.param('http = "8080"', "HOST:PORT", id="no host"),
        pytest.param('broker = "localhost"', "mqtt://user:password@host:port", id="no address"),
        pytest.param("[mywellness]\nusername = 'x'", "give --mywellness, WELLGATE_MYWELLNESS_BASE_URL", id="missing"),
        pytest.param("[mywellness]\nzone = 'Mars'", "Europe/Stockholm", id="no zone"),
        pytest.param("http =", "cannot be read", id="no TOML"),
    ],
)
def test_a_wrong_setting_is_named_with_what_to_do(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "central.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as refusal:
        loaded("--config", str(file))
    assert says in str(refusal.value)
