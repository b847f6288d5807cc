"""`python -m deploy.demo.embedded PORT FOLDER`: the broker that comes as a wheel, where there is no mosquitto.

It speaks MQTT 5 on loopback, keeps everything in memory and asks nobody for a password: for demonstrations only.
"""

import socket
import sys
import threading
from pathlib import Path

from iotcore import IotCoreBroker

SETTINGS = """
id = 0
[router]
id = 0
max_connections = 200
max_outgoing_packet_count = 200
max_segment_size = 10485760
max_segment_count = 10
[v5.1]
name = "v5"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 10000
max_payload_size = 70000
max_inflight_count = 100
dynamic_filters = true
"""


def main(port: int, folder: Path) -> None:
    """Serve until killed; says READY when the port answers."""
    settings = folder / "embedded.toml"
    settings.write_text(SETTINGS.format(port=port))
    threading.Thread(target=_say_ready, args=(port,), daemon=True).start()
    IotCoreBroker(config_path=str(settings)).run_forever()


def _say_ready(port: int) -> None:
    never = threading.Event()
    while not _answers(port):
        never.wait(0.02)
    print(f"READY 127.0.0.1:{port}", flush=True)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
