"""bincode 2, `standard()` configuration, as Burn writes it.

    struct     its fields, one after the other; no names, no count
    tuple      its items, no count                u16, u16: 01 fa
    sequence   count, items                       02 ...
    unsigned   below 251 one byte, else           07; fb 2c 01; fc ....; fd ........
               a marker and little-endian bytes
    signed     zigzag, then as unsigned           0 -1 1 -2: 00 01 02 03
    u8, i8     one raw byte
    float      little-endian                      00 00 80 3f
    bool       00, 01
    string     length, UTF-8; bytes likewise      03 46 33 32
    Option     00, or 01 and the value
    enum       index of the variant, its content
    constant   00 (Burn's empty record)
    unit       nothing

Nothing in the bytes says what they are: encoder and decoder go by a structure, and a
wrong one may fit by chance. Bytes left over are refused.
"""

from d2lrec.codecs.bincode.decoder import decode
from d2lrec.codecs.bincode.encoder import encode

__all__ = ["decode", "encode"]
