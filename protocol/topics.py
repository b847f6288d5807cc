"""MQTT topics: built and parsed here, spelled nowhere else."""

from enum import StrEnum
from typing import Final, NamedTuple

from protocol.identity import EdgeId, SiteId, is_safe_id

ROOT: Final = "wellgate/v1"


class EdgeTopic(StrEnum):
    """The last level of an edge's topics."""

    EVENTS = "events"
    ACK = "ack"
    REWIND = "rewind"
    STATE = "state"
    HEALTH = "health"
    COMMANDS = "commands"
    REPLIES = "replies"


class SiteTopic(StrEnum):
    """The last level of a site's topics."""

    ACCESS = "access"
    """Retained: the newest revision only."""
    DELTAS = "deltas"
    """Not retained: signed deltas."""
    PASSAGES = "passages"
    """Notices, QoS 0."""


class EdgeAddress(NamedTuple):
    """A topic of one edge, parsed."""

    edge: EdgeId
    topic: EdgeTopic


_EDGE_LEVELS: Final = frozenset(topic.value for topic in EdgeTopic)
_SITE_LEVELS: Final = frozenset(topic.value for topic in SiteTopic)


def edge_topic(edge: EdgeId | str, topic: EdgeTopic) -> str:
    """Return the topic of one edge; `+` stands for every edge."""
    return f"{ROOT}/edge/{edge}/{topic.value}"


def site_topic(site: SiteId | str, topic: SiteTopic) -> str:
    """Return the topic of one site; `+` stands for every site."""
    return f"{ROOT}/site/{site}/{topic.value}"


def parse_edge_topic(text: str) -> EdgeAddress | None:
    """Return who and what an edge topic names, or `None` when it is none of ours."""
    prefix = f"{ROOT}/edge/"
    if not text.startswith(prefix):
        return None
    edge, _, last = text.removeprefix(prefix).partition("/")
    if not is_safe_id(edge) or last not in _EDGE_LEVELS:
        return None
    return EdgeAddress(EdgeId(edge), EdgeTopic(last))


def parse_site_topic(text: str) -> tuple[SiteId, SiteTopic] | None:
    """Return site and topic, or `None` when the text is no topic of a site."""
    prefix = f"{ROOT}/site/"
    if not text.startswith(prefix):
        return None
    site, _, last = text.removeprefix(prefix).partition("/")
    if not is_safe_id(site) or last not in _SITE_LEVELS:
        return None
    return SiteId(site), SiteTopic(last)
