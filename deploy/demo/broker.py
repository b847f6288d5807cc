"""The broker of the demo: mosquitto where there is one, else the one from a wheel."""

import shutil
import sys
from pathlib import Path

from deploy.demo.program import Program


def find_mosquitto() -> Path | None:
    """Return the program, if this machine has it."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None


def mosquitto(binary: Path, folder: Path, port: int) -> Program:
    """Prepare a mosquitto on loopback; `folder` holds `passwords` and `acl`, made by central (see `broker-files`)."""
    settings = folder / "mosquitto.conf"
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous false",
        f"password_file {folder / 'passwords'}",
        f"acl_file {folder / 'acl'}",
        "persistence false",
        "set_tcp_nodelay true",
        "max_packet_size 70000",
        "user root",
    ]
    settings.write_text("\n".join(lines) + "\n")
    return Program("broker", [binary, "-c", settings], folder / "broker.log")


def embedded(folder: Path, port: int) -> Program:
    """Prepare the broker that comes as a wheel. It knows no passwords: loopback and demonstrations only."""
    return Program(
        "broker",
        [sys.executable, "-m", "deploy.demo.embedded", str(port), folder],
        folder / "broker.log",
        ready="READY",
    )
