"""What the detectors of this package report: a kind and a place, never the value."""

from __future__ import annotations

from dataclasses import dataclass

RESIDENT_ID = "resident-id"
OLD_RESIDENT_ID = "old-resident-id"
PERMANENT_RESIDENCE = "permanent-residence-id"
TRAVEL_DOCUMENT = "travel-document"
MOBILE = "mobile"
LANDLINE = "landline"
SERVICE_PHONE = "service-phone"
FOREIGN_PHONE = "foreign-phone"
BANK_CARD = "bank-card"
INSURANCE_CARD = "insurance-card"
LICENCE_PLATE = "licence-plate"
EMAIL = "email"
WECHAT = "wechat"
QQ = "qq"
URL = "url"
IP_ADDRESS = "ip-address"
HOSPITAL_NUMBER = "hospital-number"
SERIAL_NUMBER = "device-serial-number"
LOT_NUMBER = "lot-number"
DEVICE_PRODUCTION = "device-production-identifier"
BED = "bed"
ADDRESS = "address"
ORGANISATION = "organisation"
NAME = "name"
DATE = "date"


@dataclass(frozen=True)
class Found:
    """Something in a text that looks like an identifier: its kind and where, never the value."""

    kind: str
    start: int
    end: int
