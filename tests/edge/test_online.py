"""The agent as a process with a real broker: what it says, what it takes, and that it says goodbye."""

import base64
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.clock import SystemClock
from protocol.access import credential_row, holder_row
from protocol.entitlement import CredentialStatus
from protocol.identity import PersonId
from protocol.journal import BODY, Passage, RemoteOpen
from protocol.messages import Birth, Change, Command, Death, Delta, Open, Signed, signing_input
from protocol.topics import EdgeTopic, SiteTopic, edge_topic, site_topic
from tests.edge.builders import card, holder
from tests.edge.process import ANNA, Site, running
from tests.edge.receiver import Receiver
from tests.edge.waiting import until
from tests.services import Broker

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


@pytest.fixture
def site(tmp_path: Path, mosquitto: Broker) -> Site:
    return Site(
        tmp_path,
        port=str(mosquitto.port),
        user=mosquitto.username,
        password=mosquitto.password,
        public_key=base64.b64encode(KEY.public_key().public_bytes_raw()).decode(),
    )


def signed(delta: Delta) -> str:
    body = delta.model_dump_json(by_alias=True)
    signature = KEY.sign(signing_input("delta", delta.site, body.encode()))
    return Signed(body=body, signature=base64.b64encode(signature).decode()).model_dump_json()


async def test_a_badge_reaches_central_as_an_online_passage_and_an_order_from_there_opens_the_lane(
    site: Site, mosquitto: Broker
) -> None:
    with Receiver(mosquitto) as central:
        async with running(site) as agent:
            await until(lambda: any(isinstance(state, Birth) for state in central.states))
            site.badge("reader-in", ANNA)
            await until(lambda: len(central.entries()) == 1)
            order = Command(
                id="command-1",
                expires_at=SystemClock().read().wall + timedelta(seconds=30),
                order=Open(lane="exit"),
            )
            central.client.publish(edge_topic("edge-1", EdgeTopic.COMMANDS), order.model_dump_json(), qos=1)
            await until(lambda: "18 1" in site.edges())
            await until(lambda: len(central.entries()) == 2)
            agent.process.send_signal(signal.SIGTERM)
            await until(lambda: isinstance(central.states[-1], Death))
            assert await agent.process.wait() == 0
    passage, opened = (BODY.validate_json(entry.body) for _, entry in central.entries())
    assert isinstance(passage, Passage)
    assert (passage.reason, passage.offline) == ("OK", False)
    assert isinstance(opened, RemoteOpen)
    assert (opened.lane, opened.command) == ("exit", "command-1")


@pytest.mark.req("A-03")
async def test_a_card_assigned_by_staff_is_granted_once_the_signed_delta_is_here(site: Site, mosquitto: Broker) -> None:
    anna = holder("M1001")
    rows = (holder_row(anna), credential_row(card("99999999"), PersonId("M1001"), CredentialStatus.ACTIVE))
    delta = Delta.model_validate(
        {"site": "F1", "from": 17, "to": 18, "changes": tuple(Change(**row._asdict()) for row in rows)}
    )
    with Receiver(mosquitto) as central:
        async with running(site):
            await until(lambda: len(central.states) == 1)
            site.badge("reader-in", 99_999_999)
            await until(lambda: site.edges() == ["23 1"])
            central.client.publish(site_topic("F1", SiteTopic.DELTAS), signed(delta), qos=1)
            await until(lambda: "access list 18 in use" in (site.folder / "log").read_text())
            await until(lambda: "23 0" in site.edges())
            site.badge("reader-in", 99_999_999)
            await until(lambda: "17 1" in site.edges())
            await until(lambda: len(central.entries()) == 2)
    denied, granted = site.passages()
    assert (denied.granted, denied.reason, denied.person, denied.revision) == (False, "UNKNOWN_CREDENTIAL", None, 17)
    assert (granted.granted, granted.person, granted.revision) == (True, "M1001", 18)
