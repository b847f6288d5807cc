"""What is known of a person, and of the credentials a person holds (B-01, B-07, B-13, A-04)."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import TypedDict

from protocol.entitlement import CredentialStatus


class Gender(StrEnum):
    """Not knowing is `null`, which is not the same as `other` (B-11)."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"


class Facet(StrEnum):
    """What a person is to the gym; one person may be all of it (B-01)."""

    CUSTOMER = "customer"
    STAFF = "staff"
    COMPANY_CONTACT = "company_contact"


@dataclass(frozen=True, slots=True)
class Held:
    """A credential somebody holds; `number` is what staff read on the card."""

    credential: str
    number: str
    status: CredentialStatus
    assigned_at: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """A person as stored (B-07). `photo_at` is when the photo was taken or imported."""

    id: str
    number: str
    first_name: str
    last_name: str
    birth_date: date | None
    gender: Gender | None
    email: str | None
    phone: str | None
    mobile: str | None
    street: str | None
    postcode: str | None
    city: str | None
    country: str | None
    invoice_address: str | None
    identity_number: str | None
    language: str | None
    home_site: str | None
    organisation: str | None
    photo_at: datetime | None
    is_customer: bool
    is_staff: bool
    is_company_contact: bool
    roles: list[str]
    allow_sync: bool
    allow_activity_sync: bool
    allow_photo_publication: bool
    allow_mail: bool
    allow_email_marketing: bool
    allow_sms_marketing: bool
    blocked: bool
    blocked_until: date | None
    overrides_anti_passback: bool
    member_since_override: date | None
    last_visit_at: datetime | None
    last_attempt_at: datetime | None
    created_at: datetime
    groups: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    credentials: list[Held] = field(default_factory=list)


class PersonValues(TypedDict, total=False):
    """What may be said about a person; what is not named stays as it is."""

    number: str
    first_name: str
    last_name: str
    birth_date: date | None
    gender: Gender | None
    email: str | None
    phone: str | None
    mobile: str | None
    street: str | None
    postcode: str | None
    city: str | None
    country: str | None
    invoice_address: str | None
    identity_number: str | None
    language: str | None
    home_site: str | None
    organisation: str | None
    is_customer: bool
    is_staff: bool
    is_company_contact: bool
    roles: list[str]
    allow_sync: bool
    allow_activity_sync: bool
    allow_photo_publication: bool
    allow_mail: bool
    allow_email_marketing: bool
    allow_sms_marketing: bool
    overrides_anti_passback: bool
    member_since_override: date | None
    groups: list[str]
    categories: list[str]
