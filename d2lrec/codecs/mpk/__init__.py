"""MessagePack, as Burn writes it (rmp-serde 1.3.1, "named").

    struct     map with string keys, in order     82 a1 61 01 a1 62 c0
    sequence   array                              92 01 02
    integer    shortest form; unsigned if >= 0    07, cc ff, cd 01 2c, ff, d0 80, ...
    float      32-bit ca, 64-bit cb; big-endian   cb 3f f0 00 00 00 00 00 00
    string     UTF-8                              a3 46 33 32, d9 ..., da ..., db ...
    bytes      a tensor's numbers                 c4 08 ..., c5 ..., c6 ...
    None, false, true                             c0, c2, c3
    unit struct                                   90

The format is specified at https://github.com/msgpack/msgpack/blob/master/spec.md.
Extension types are left out: no record has one. Decoding reads any legal encoding,
not only the shortest, and refuses a repeated key, which Burn refuses too.
"""

from d2lrec.codecs.mpk.decoder import decode
from d2lrec.codecs.mpk.encoder import encode

__all__ = ["decode", "encode"]
