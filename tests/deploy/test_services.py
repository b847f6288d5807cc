"""The services that other tests lean on do what they promise."""

import socket

import paho.mqtt.client as mqtt
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode
from playwright.sync_api import sync_playwright

from tests.services import CHROMIUM_ARGUMENTS, Broker, Cluster, answers, free_port


def connect(broker: Broker, password: str) -> ReasonCode:
    """Return the broker's answer to one MQTT v5 connect."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    heard: list[ReasonCode] = []
    client.on_connect = lambda _client, _userdata, _flags, reason, _properties: heard.append(reason)
    client.username_pw_set(broker.username, password)
    client.connect(broker.host, broker.port)
    while not heard:
        client.loop(timeout=0.5)
    client.disconnect()
    return heard[0]


@pytest.mark.service("mosquitto")
@pytest.mark.parametrize(
    ("password", "answer"),
    [
        pytest.param("wellgate", "Success", id="its own password"),
        pytest.param("guessed", "Not authorized", id="a guessed password"),
    ],
)
def test_the_broker_lets_in_by_password_only(mosquitto: Broker, password: str, answer: str) -> None:
    assert str(connect(mosquitto, password)) == answer


@pytest.mark.service("mosquitto")
def test_a_killed_broker_comes_back_on_the_same_port(mosquitto: Broker) -> None:
    mosquitto.kill()
    assert not answers(mosquitto.port)
    mosquitto.start()
    assert str(connect(mosquitto, "wellgate")) == "Success"


@pytest.mark.service("postgres")
def test_the_database_server_is_durable_and_off_the_network(postgres: Cluster) -> None:
    with psycopg.connect(host=str(postgres.folder), user="postgres") as connection:
        settings = {
            name: connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
            for name in ("fsync", "synchronous_commit", "listen_addresses")
        }
    assert settings == {"fsync": ("on",), "synchronous_commit": ("on",), "listen_addresses": ("",)}


@pytest.mark.service("postgres")
@pytest.mark.parametrize("turn", ["first", "second"])
def test_each_test_has_an_empty_database_to_itself(fresh_postgres_url: str, turn: str) -> None:
    with psycopg.connect(fresh_postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE mark (turn text)")
        connection.execute("INSERT INTO mark VALUES (%s)", (turn,))
        assert connection.execute("SELECT turn FROM mark").fetchall() == [(turn,)]


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", free_port()))
        server.listen()
        assert answers(server.getsockname()[1])


@pytest.mark.service("chromium")
def test_the_browser_shows_a_page(chromium: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_ARGUMENTS))
        page = browser.new_page()
        page.set_content("<title>wellgate</title><h1>Welcome</h1>")
        assert (page.title(), page.inner_text("h1")) == ("wellgate", "Welcome")
        browser.close()
