"""What a reason means, in words for people; codes stay beside them for support."""

from typing import Final

WORDS: Final = {
    "OK": "granted",
    "READER_DISABLED": "this reader is switched off",
    "DOOR_LOCKED": "the door is locked",
    "UNKNOWN_CREDENTIAL": "unknown card",
    "AMBIGUOUS_CREDENTIAL": "card belongs to several people",
    "CREDENTIAL_BLOCKED": "card is blocked",
    "PERSON_BLOCKED": "member is blocked",
    "AGE_UNKNOWN": "date of birth is missing",
    "AGE_LIMIT": "too young for this reader",
    "TOO_SOON": "again too soon",
    "FULL": "the gym is full",
    "NO_ENTITLEMENT": "no membership",
    "NO_RIGHT_AT_READER": "membership does not include this door",
    "OUTSIDE_SCHEDULE": "outside the hours of the membership",
    "NOT_STARTED": "membership has not begun",
    "FROZEN": "membership is frozen",
    "NOT_CHARGED": "not charged for this day",
    "OVERDUE_INVOICE": "an invoice is overdue",
}


def in_words(reason: str) -> str:
    """Return a reason in words; one that is newer than this list reads as its code does."""
    return WORDS.get(reason, reason.lower().replace("_", " "))
