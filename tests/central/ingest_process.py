"""A central that only takes in, as a process of its own.

Arguments: database URL, broker's host, port, user, password, and DEATHS. It kills itself (SIGKILL) after the DEATHS-th
batch is committed and before its ack is published; 0 = never.
"""

import asyncio
import os
import signal
import sys

from central.broker import BrokerAddress
from central.changes import Unit
from central.database import Database
from central.ingest import Ingest
from central.passages.service import StoredBatch, store_batch
from protocol.identity import EdgeId
from protocol.messages import Ack
from tests.central.passages.builders import Central


class MortalIngest(Ingest):
    """Dies between commit and ack."""

    lives = 0

    def _say(self, edge: EdgeId, ack: Ack) -> None:
        self.lives -= 1
        if self.lives == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        super()._say(edge, ack)


def main() -> None:
    url, host, port, user, password, deaths = sys.argv[1:]
    central = Central(Database(url))

    def take(unit: Unit, edge_id: EdgeId, payload: bytes) -> StoredBatch:
        return store_batch(unit, edge_id, payload, central.enqueue)

    ingest = MortalIngest(BrokerAddress(host, int(port), user, password), central.units, take)
    ingest.lives = int(deaths)
    print("READY", flush=True)
    asyncio.run(ingest.run())


if __name__ == "__main__":
    main()
