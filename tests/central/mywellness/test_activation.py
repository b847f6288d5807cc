"""Who tells a new member to activate the account: Mywellness does, we do not (D-17)."""

import pytest

from central.mywellness import service
from central.schema import METADATA
from tests.central.mywellness.gym import Gym


@pytest.mark.req("D-17")
async def test_a_first_sync_mails_nobody_from_here_and_says_where_to_look(gym: Gym) -> None:
    """0 activation mails of ours: there is no queue that could hold one. The text is what the portal is to show."""
    gym.subscribes()
    gym.completes()
    before = gym.database.sync_read(service.link_row, "M1001")
    assert before["activation"] is None
    gym.later(seconds=30)
    await gym.sends()

    after = gym.database.sync_read(service.link_row, "M1001")
    assert after["activation"] == "activation pending: check your mail from Mywellness"
    assert [name for name in METADATA.tables if "mail" in name] == []
