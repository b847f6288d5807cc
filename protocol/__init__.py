"""What both sides must agree on: a change in here is a change of the agreement between edge and central.

Standard library and pydantic only, no input or output. `VERSION` travels in every message as `v`.
"""

from typing import Final

VERSION: Final = 1
