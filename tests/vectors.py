"""Bytes that Rust's own serializers wrote (rmp-serde 1.3.1, serde_json 1.0.149).

The structs are Burn 0.21.0's, or mirror them: `weight` is [[1, 2, 3], [4, 5, 6]],
`bias` [0.5, -0.5, 0.25]; the ids are 1 and 2**64 - 1.
"""

import struct

from strategies import stored

from d2lrec.record import UNIT, Param

WEIGHT = Param(
    "0400000000000", stored(struct.pack("<6f", 1, 2, 3, 4, 5, 6), [2, 3], "F32")
)
_BIAS = stored(struct.pack("<3f", 0.5, -0.5, 0.25), [3], "F32")
LINEAR = {"weight": WEIGHT, "bias": Param("vvvvvvvvvvvvu", _BIAS)}

_W = (
    "82a26964ad30343030303030303030303030a5706172616d83a56279746573c418"
    "0000803f0000004000004040000080400000a0400000c040a57368617065920203"
    "a56474797065a3463332"
)
_B = "83a56279746573c40c0000003f000000bf0000803ea573686170659103a56474797065a3463332"
_LINEAR = (
    f"82a6776569676874{_W}a462696173"
    f"82a26964ad76767676767676767676767675a5706172616d{_B}"
)
_W_JSON = (
    '{"id":"0400000000000","param":{"bytes":[0,0,128,63,0,0,0,64,0,0,64,64,'
    '0,0,128,64,0,0,160,64,0,0,192,64],"shape":[2,3],"dtype":"F32"}}'
)
_B_JSON = '{"bytes":[0,0,0,63,0,0,0,191,0,0,128,62],"shape":[3],"dtype":"F32"}'
_LINEAR_JSON = (
    f'{{"weight":{_W_JSON},"bias":{{"id":"vvvvvvvvvvvvu","param":{_B_JSON}}}}}'
)
_NO_BIAS = {"weight": WEIGHT, "bias": None}
_NO_BIAS_JSON = f'{{"weight":{_W_JSON},"bias":null}}'

_RECORDER = "burn_core::record::file::NamedMpkFileRecorder"
_FORMAT = f"{_RECORDER}<burn_core::record::settings::FullPrecisionSettings>"
METADATA = {
    "float": "f32",
    "int": "i32",
    "format": _FORMAT,
    "version": "0.21.0",
    "settings": "FullPrecisionSettings",
}
WRAPPED = (
    "83a86d6574616461746185a5666c6f6174a3663332a3696e74a3693332a6666f726d6174d961"
    f"{_FORMAT.encode().hex()}a776657273696f6ea6302e32312e30a873657474696e6773b546756c"
    f"6c507265636973696f6e53657474696e6773a46974656d{_LINEAR}a25f6290"
)

# name: the tree, its MessagePack in hexadecimal digits, its JSON
VECTORS = {
    "linear": (LINEAR, _LINEAR, _LINEAR_JSON),
    "linear without bias": (
        _NO_BIAS,
        f"82a6776569676874{_W}a462696173c0",
        _NO_BIAS_JSON,
    ),
    "mlp": (
        {"fc": LINEAR, "activation": None, "width": None, "sizes": None},
        f"84a26663{_LINEAR}aa61637469766174696f6ec0a57769647468c0a573697a6573c0",
        f'{{"fc":{_LINEAR_JSON},"activation":null,"width":null,"sizes":null}}',
    ),
    "mlp of 0.20": (
        {"fc": LINEAR, "activation": None, "width": None, "sizes": [None, None]},
        f"84a26663{_LINEAR}aa61637469766174696f6ec0a57769647468c0a573697a657392c0c0",
        f'{{"fc":{_LINEAR_JSON},"activation":null,"width":null,"sizes":[null,null]}}',
    ),
    "wrapper": (
        {"metadata": METADATA, "item": LINEAR, "_b": UNIT},
        WRAPPED,
        '{"metadata":{"float":"f32","int":"i32","format":"'
        f'{_FORMAT}","version":"0.21.0","settings":"FullPrecisionSettings"}},'
        f'"item":{_LINEAR_JSON},"_b":null}}',
    ),
    "bool": (
        stored(b"\1\0", [2], "Bool(Native)"),
        "83a56279746573c4020100a573686170659102a5647479706581a4426f6f6ca64e6174697665",
        '{"bytes":[1,0],"shape":[2],"dtype":{"Bool":"Native"}}',
    ),
    "i32": (
        stored(struct.pack("<2i", 1, -1), [2], "I32"),
        "83a56279746573c40801000000ffffffffa573686170659102a56474797065a3493332",
        '{"bytes":[1,0,0,0,255,255,255,255],"shape":[2],"dtype":"I32"}',
    ),
    "f16": (
        stored(struct.pack("<e", 1), [1], "F16"),
        "83a56279746573c402003ca573686170659101a56474797065a3463136",
        '{"bytes":[0,60],"shape":[1],"dtype":"F16"}',
    ),
    "no dimension": (
        stored(struct.pack("<f", 7), [], "F32"),
        "83a56279746573c4040000e040a5736861706590a56474797065a3463332",
        '{"bytes":[0,0,224,64],"shape":[],"dtype":"F32"}',
    ),
    "two empties": ([None, None], "92c0c0", "[null,null]"),
    "unit": (None, "c0", "null"),
    "enum": (
        {"Basic": _NO_BIAS},
        f"81a5426173696382a6776569676874{_W}a462696173c0",
        f'{{"Basic":{_NO_BIAS_JSON}}}',
    ),
    "enum of nothing": ({"Other": None}, "81a54f74686572c0", '{"Other":null}'),
    "adam": (
        {
            "V1": {
                "Rank1": {
                    "momentum": {
                        "time": 300,
                        "moment_1": _BIAS,
                        "moment_2": _BIAS,
                        "max_moment_2": None,
                    }
                }
            }
        },
        "81a2563181a552616e6b3181a86d6f6d656e74756d84a474696d65cd012c"
        f"a86d6f6d656e745f31{_B}a86d6f6d656e745f32{_B}ac6d61785f6d6f6d656e745f32c0",
        '{"V1":{"Rank1":{"momentum":{"time":300,'
        f'"moment_1":{_B_JSON},"moment_2":{_B_JSON},"max_moment_2":null}}}}}}}}',
    ),
    "usize": (42, "2a", "42"),
    "f64": (0.001, "cb3f50624dd2f1a9fc", "0.001"),
    "i32 alone": (-1, "ff", "-1"),
}
