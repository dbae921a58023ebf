"""Tables computed from the lake's tables when they are asked for; nothing of them is stored.

    observation_period   from the first recorded contact of a patient at a hospital to the last, or to death
    device_use           each device in a patient: product, implant, explant, site, operator as an ordinal

Each is one SQL file in this folder; columns.csv documents their columns, contacts.csv says which dates of the lake
are contacts, deaths.csv which outcomes are deaths. Before a protocol is frozen, outcomes are not read: hand the
tables over without `outcome_event`, and periods end with the last contact.
"""

from ingestion.derived.compute import DERIVED, DerivedColumn, columns_of, derive, derive_table

__all__ = ["DERIVED", "DerivedColumn", "columns_of", "derive", "derive_table"]
