"""Precision settings: which number types a recorder stores.

Burn converts every float tensor to the settings' float type and every integer
tensor to its integer type, whatever the precision of training; booleans stay
(`crates/burn-core/src/record/settings.rs` and `tensor.rs`, 0.21.0).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from d2lrec.dialect import ITEM_SIZES


@dataclass(frozen=True, repr=False)
class Settings:
    """The number types of a file.

    Attributes:
        name: Burn's name of the settings.
        float_dtype: Burn's name of the stored float dtype.
        int_dtype: Burn's name of the stored integer dtype.
        float_elem: Rust's name of the stored float type.
        int_elem: Rust's name of the stored integer type.
        stored: The dtype that a tensor of each dtype has in a file.

    >>> FullPrecisionSettings.stored["F64"], HalfPrecisionSettings.stored["U8"]
    ('F32', 'I16')
    >>> DoublePrecisionSettings.stored["F32"], DoublePrecisionSettings.stored["I32"]
    ('F64', 'I64')
    """

    name: str
    float_dtype: str
    int_dtype: str
    float_elem: str
    int_elem: str
    stored: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Looked up for every tensor of a record.
        table = {name: self._stored(name) for name in ITEM_SIZES}
        object.__setattr__(self, "stored", table)

    def _stored(self, dtype: str) -> str:
        if dtype.startswith("Bool"):
            return "Bool(Native)"
        is_float = "F" in dtype  # F64, F32, F16, BF16, Flex32
        return self.float_dtype if is_float else self.int_dtype

    def __repr__(self) -> str:
        return self.name


DoublePrecisionSettings = Settings(
    "DoublePrecisionSettings", "F64", "I64", "f64", "i64"
)
"""Floats of 64 bits and integers of 64 bits: nothing that PyTorch has is lost."""

FullPrecisionSettings = Settings("FullPrecisionSettings", "F32", "I32", "f32", "i32")
"""Floats of 32 bits and integers of 32 bits: what a recorder has by itself."""

HalfPrecisionSettings = Settings(
    "HalfPrecisionSettings", "F16", "I16", "half::binary16::f16", "i16"
)
"""Floats of 16 bits and integers of 16 bits: half the size, three decimal digits.

What becomes infinity or zero is reported by a `PrecisionWarning`; an integer that does
not fit is refused.
"""
