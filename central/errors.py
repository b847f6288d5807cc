"""What central refuses, grouped by what the caller can do about it. One middleware turns these into problem+json."""


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """The wish cannot be granted as it stands; `code` is stable, `detail` says what to do next."""

    def __init__(self, code: str, detail: str, *, status: int = 409) -> None:
        """Refuse with a stable code, words for people and the HTTP status that fits."""
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.status = status


class NotFound(Refused):
    """What was asked for is not there."""

    def __init__(self, what: str, key: object) -> None:
        """Name the kind of thing and the key that found nothing."""
        super().__init__("NOT_FOUND", f"there is no {what} {key!r}; list them to see what exists", status=404)


class Invalid(Refused):
    """The wish itself is wrong: change it, then ask again."""

    def __init__(self, code: str, detail: str) -> None:
        """Refuse with a stable code and what to change."""
        super().__init__(code, detail, status=422)
