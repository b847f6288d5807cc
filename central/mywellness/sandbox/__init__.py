"""A stand-in Mywellness server: what mywellness-contract.md §1 says, over real HTTP, with a ledger to count by.

It knows nothing of the project's own client. What the contract leaves open is a switch, what goes wrong in
the field is a fault, and everything that is ours alone lives under the invented prefix `/_standin/`.
"""

from central.mywellness.sandbox.app import create_app, running, serve
from central.mywellness.sandbox.cli import add_parser, main_sandbox, run
from central.mywellness.sandbox.control import SANDBOX
from central.mywellness.sandbox.faults import Fault, FaultKind
from central.mywellness.sandbox.ledger import Ledger, LedgerUnreadableError
from central.mywellness.sandbox.sandbox import Credentials, Facility, Sandbox
from central.mywellness.sandbox.switches import Switches

__all__ = [
    "SANDBOX",
    "Credentials",
    "Facility",
    "Fault",
    "FaultKind",
    "Ledger",
    "LedgerUnreadableError",
    "Sandbox",
    "Switches",
    "add_parser",
    "create_app",
    "main_sandbox",
    "run",
    "running",
    "serve",
]
