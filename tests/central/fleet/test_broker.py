"""The broker's files against a real mosquitto: who gets in, and who may say or hear what."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from central.fleet import broker as files
from deploy.dev.services import MOSQUITTO
from protocol.topics import EdgeTopic, SiteTopic, edge_topic, site_topic
from tests.services import Broker, free_port, program

PASSWORDS = {"central": "c", "edge-1": "e1", "edge-2": "e2", "edge-9": "e9"}
"""edge-1 and edge-2 stand at site F1, edge-9 at F2."""

UP = [edge_topic("edge-1", topic) for topic in (EdgeTopic.EVENTS, EdgeTopic.STATE, EdgeTopic.HEALTH, EdgeTopic.REPLIES)]
DOWN = [edge_topic("edge-1", topic) for topic in (EdgeTopic.ACK, EdgeTopic.REWIND, EdgeTopic.COMMANDS)]
LISTS = [site_topic("F1", topic) for topic in (SiteTopic.ACCESS, SiteTopic.DELTAS)]
PASSAGES = [site_topic("F1", SiteTopic.PASSAGES)]
TOPICS = [*UP, *DOWN, *LISTS, *PASSAGES]

LAST = b"last word"

WRITERS = {"central": {*TOPICS}, "edge-1": {*UP, *PASSAGES}, "edge-2": {*PASSAGES}, "edge-9": set[str]()}
READERS = {
    "central": {*UP, *PASSAGES},
    "edge-1": {*DOWN, *LISTS, *PASSAGES},
    "edge-2": {*LISTS, *PASSAGES},
    "edge-9": set[str](),
}


class Voice:
    """A user of the broker who says things and keeps what is heard."""

    def __init__(self, broker: Broker, user: str, password: str) -> None:
        self.heard: set[str] = set()
        self.refused: dict[int, bool] = {}
        self.entered: bool | None = None
        self._has_heard_last = False
        self._turn = threading.Condition()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=user, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.username_pw_set(user, password)
        self._client.on_connect = self._connected
        self._client.on_publish = self._published
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._received
        self._subscribed_to: set[int] = set()
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        self._wait(lambda: self.entered is not None)

    def say(self, topic: str, word: bytes = b"word") -> bool:
        """Publish, and return whether the broker has taken it."""
        sent = self._client.publish(topic, word, qos=1)
        self._wait(lambda: sent.mid in self.refused)
        return not self.refused[sent.mid]

    def listen(self) -> None:
        """Subscribe to everything there is."""
        _, mid = self._client.subscribe("wellgate/v1/#", 1)
        assert mid is not None
        self._wait(lambda: mid in self._subscribed_to)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_for_last(self) -> None:
        self._wait(lambda: self._has_heard_last)

    def _wait(self, holds: Callable[[], bool]) -> None:
        with self._turn:
            assert self._turn.wait_for(holds, 10), "the broker did not answer"

    def _connected(self, _c: Client, _u: object, _f: object, reason: ReasonCode, _p: Properties | None) -> None:
        with self._turn:
            self.entered = not reason.is_failure
            self._turn.notify_all()

    def _published(self, _c: Client, _u: object, mid: int, reason: ReasonCode, _p: Properties) -> None:
        with self._turn:
            self.refused[mid] = reason.is_failure
            self._turn.notify_all()

    def _subscribed(self, _c: Client, _u: object, mid: int, _r: list[ReasonCode], _p: Properties | None) -> None:
        with self._turn:
            self._subscribed_to.add(mid)
            self._turn.notify_all()

    def _received(self, _c: Client, _u: object, message: MQTTMessage) -> None:
        with self._turn:
            if message.payload == LAST:
                self._has_heard_last = True
            else:
                self.heard.add(message.topic)
            self._turn.notify_all()


@pytest.fixture
def guarded_broker(tmp_path: Path) -> Iterator[Broker]:
    """A mosquitto that obeys our files."""
    accounts = [
        files.Account(edge, "F2" if edge == "edge-9" else "F1", files.password_hash(password))
        for edge, password in PASSWORDS.items()
        if edge != files.CENTRAL
    ]
    files.write_files(tmp_path, accounts, PASSWORDS[files.CENTRAL])
    one = Broker(program(MOSQUITTO), tmp_path, free_port(), settings=[f"acl_file {tmp_path / files.TOPICS}"])
    one.start()
    yield one
    one.stop()


@pytest.mark.service("mosquitto")
def test_each_user_says_and_hears_its_own_topics_and_no_others(guarded_broker: Broker) -> None:
    voices = {user: Voice(guarded_broker, user, password) for user, password in PASSWORDS.items()}
    try:
        for voice in voices.values():
            voice.listen()
        said = {user: {topic for topic in TOPICS if voice.say(topic)} for user, voice in voices.items()}
        for site in ("F1", "F2"):  # the last word everybody hears: whatever came before it has come
            voices["central"].say(site_topic(site, SiteTopic.PASSAGES), LAST)
        for voice in voices.values():
            voice.wait_for_last()
        heard = {user: voice.heard for user, voice in voices.items()}
    finally:
        for voice in voices.values():
            voice.close()

    assert said == WRITERS
    assert heard == READERS


@pytest.mark.service("mosquitto")
@pytest.mark.parametrize(
    ("user", "password"),
    [
        pytest.param("edge-1", "e2", id="another's password"),
        pytest.param("edge-3", "e1", id="a name nobody enrolled"),
        pytest.param("central", "", id="no password"),
    ],
)
def test_who_is_not_in_the_file_does_not_get_in(guarded_broker: Broker, user: str, password: str) -> None:
    voice = Voice(guarded_broker, user, password)
    voice.close()
    assert voice.entered is False


def test_the_files_are_for_their_owner_only_and_replaced_whole(tmp_path: Path) -> None:
    files.write_files(tmp_path, [files.Account("edge-1", "F1", "$7$x")], "secret")
    files.write_files(tmp_path, [], "secret")

    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        files.PASSWORDS: 0o600,
        files.TOPICS: 0o600,
    }
    assert "edge-1" not in (tmp_path / files.PASSWORDS).read_text() + (tmp_path / files.TOPICS).read_text()
    assert "secret" not in (tmp_path / files.PASSWORDS).read_text()
