"""The least a central does, as a process: take one message, insert, commit, say how far it is.

python -m tests.bench.bare_central HOST PORT USER PASSWORD FILE
"""

import queue
import socket
import sqlite3
import sys
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

UP: Final = "bench/up"
DOWN: Final = "bench/down"


def opened(path: Path) -> sqlite3.Connection:
    """A file with one table, as durable as ours: WAL, synchronous FULL."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS entry (number INTEGER PRIMARY KEY, body TEXT)")
    return connection


def client(name: str, user: str, password: str, *, manual_ack: bool = False) -> mqtt.Client:
    """A paho client that sends at once."""
    one = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=manual_ack
    )
    one.username_pw_set(user, password)
    one.on_socket_open = _no_delay
    return one


def _no_delay(_client: mqtt.Client, _data: Any, connection: Any) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def main() -> None:
    """Run until killed."""
    host, port, user, password, file = sys.argv[1:]
    Path(file).unlink(missing_ok=True)
    store = opened(Path(file))
    arrived: queue.SimpleQueue[mqtt.MQTTMessage] = queue.SimpleQueue()
    ready = queue.SimpleQueue[None]()
    one = client("bare-central", user, password, manual_ack=True)
    one.on_message = lambda _client, _data, message: arrived.put(message)
    one.on_subscribe = lambda *_: ready.put(None)
    one.connect(host, int(port))
    one.loop_start()
    one.subscribe(UP, qos=1)
    ready.get()
    print("READY", flush=True)
    while True:
        message = arrived.get()
        number, _, body = message.payload.decode().partition(" ")
        store.execute("INSERT INTO entry VALUES (?, ?)", (int(number), body))
        one.ack(message.mid, message.qos)
        one.publish(DOWN, number, qos=1)


if __name__ == "__main__":
    main()
