"""What stands around a record in a file: the metadata, and a marker.

Burn wraps every item as `{metadata, item, _b}` (`burn-core/src/record/recorder.rs`,
0.21.0). The metadata are five strings; nothing reads them unless loading fails.
"""

from __future__ import annotations

from typing import Any

from d2lrec.checksum import FIELD
from d2lrec.dialect import BURN_0_21
from d2lrec.errors import CorruptRecord
from d2lrec.precision import Settings
from d2lrec.record import UNIT, Record
from d2lrec.structure import STRING, Struct, Structure
from d2lrec.structure import UNIT as UNIT_TYPE

METADATA = ("float", "int", "format", "version", "settings")


def wrap(item: Any, type_name: str, settings: Settings) -> Record:
    """Put metadata and marker around an item.

    Args:
        item: The tree to record.
        type_name: Rust's name of the recorder, without its settings.
        settings: The recorder's settings.
    """
    values = (
        settings.float_elem,
        settings.int_elem,
        f"{type_name}<burn_core::record::settings::{settings.name}>",
        BURN_0_21.version,
        settings.name,
    )
    metadata = Record(zip(METADATA, values, strict=True))
    return Record(metadata=metadata, item=item, _b=UNIT)


def structure(item: Structure) -> Struct:
    """Return the structure of a wrapped item."""
    metadata = Struct(dict.fromkeys(METADATA, STRING))
    return Struct(metadata=metadata, item=item, _b=UNIT_TYPE)


def unwrap(tree: Any) -> Any:
    """Return the item of a wrapped one.

    Raises:
        CorruptRecord: There is none.
    """
    if not isinstance(tree, Record) or not {"metadata", "item"} <= tree.keys():
        what = "this is no record: a struct with metadata and item expected."
        raise CorruptRecord(what)
    strangers = tree.keys() - {"metadata", "item", "_b", FIELD}
    if strangers:
        what = f"{', '.join(sorted(strangers))} beside the record: nothing writes that."
        raise CorruptRecord(f"{what} The file was damaged or changed.")
    return tree["item"]
