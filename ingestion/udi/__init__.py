"""A unique device identifier (UDI) into its parts: the product's (DI) and the single device's (PI).

Read on the identified side only: the PI names one device and so its patient. The lake keeps the DI alone
(deidentify/device_identifiers.py), in the same form as `Udi.di` here.
"""

from ingestion.udi.parts import UDI_MALFORMED, Issuer, Udi
from ingestion.udi.read import parse_udi

__all__ = ["UDI_MALFORMED", "Issuer", "Udi", "parse_udi"]
