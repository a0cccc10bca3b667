"""The recorders, under Burn's names: a codec, gzip or not, and an extension.

A recorder's class is data: what it does is written once, for files and for memory.
"""

from __future__ import annotations

from functools import partial

from d2lrec.formats import BINCODE, JSON, MPK, PRETTY_JSON
from d2lrec.precision import (
    HalfPrecisionSettings,
)
from d2lrec.sinks import BytesRecorder, FileRecorder


class NamedMpkFileRecorder(FileRecorder):
    """MessagePack in a `.mpk` file: small, fast, and readable in any language.

    >>> recorder = NamedMpkFileRecorder()
    >>> file = recorder.record({"epoch": 3, "w": torch.ones(2)}, "state")
    >>> recorder.load(file, mmap=True)["w"]  # read when it is used
    tensor([1., 1.])
    """

    codec = MPK
    extension = "mpk"


class NamedMpkGzFileRecorder(FileRecorder):
    """MessagePack, compressed, in a `.mpk.gz` file.

    >>> file = NamedMpkGzFileRecorder().record(torch.zeros(1000), "zeros")
    >>> file.name, file.stat().st_size < 400
    ('zeros.mpk.gz', True)
    """

    codec = MPK
    gzip = True
    extension = "mpk.gz"


class BinFileRecorder(FileRecorder):
    """bincode in a `.bin` file: the smallest; it does not say what is in it.

    >>> recorder, tree = BinFileRecorder(), {"epoch": 3, "best": 0.5}
    >>> file = recorder.record(tree, "state")
    >>> recorder.load(file, like=tree)
    epoch  3
    best   0.5
    """

    codec = BINCODE
    extension = "bin"


class BinGzFileRecorder(FileRecorder):
    """bincode, compressed, in a `.bin.gz` file.

    >>> from d2lrec import structure as s
    >>> recorder = BinGzFileRecorder()
    >>> file = recorder.record([1, 2, 3], "counts")
    >>> recorder.load(file, like=s.Vec(s.I64))
    [1, 2, 3]
    """

    codec = BINCODE
    gzip = True
    extension = "bin.gz"


class JsonGzFileRecorder(FileRecorder):
    """JSON, compressed, in a `.json.gz` file.

    >>> import gzip
    >>> file = JsonGzFileRecorder().record({"epoch": 3}, "state")
    >>> gzip.decompress(file.read_bytes()).decode()[-30:]
    ',"item":{"epoch":3},"_b":null}'
    """

    codec = JSON
    gzip = True
    extension = "json.gz"


class PrettyJsonFileRecorder(FileRecorder):
    """JSON in a `.json` file: to be read with one's own eyes; large and slow.

    >>> file = PrettyJsonFileRecorder().record({"epoch": 3}, "state")
    >>> print(file.read_text()[-44:])
    "item": {
        "epoch": 3
      },
      "_b": null
    }
    """

    codec = PRETTY_JSON
    extension = "json"


class BinBytesRecorder(BytesRecorder):
    """bincode in memory: for a model that is part of a program.

    >>> from torch import nn
    >>> data = BinBytesRecorder().record(nn.Linear(2, 3))
    >>> BinBytesRecorder().load(data, like=nn.Linear(2, 3))["bias"].tensor.shape
    torch.Size([3])
    """

    codec = BINCODE


class NamedMpkBytesRecorder(BytesRecorder):
    """MessagePack in memory.

    >>> recorder = NamedMpkBytesRecorder(HalfPrecisionSettings)
    >>> recorder.load(recorder.record(torch.tensor([0.1])))
    tensor([0.1000], dtype=torch.float16)
    """

    codec = MPK


# Burn's aliases: a recorder with its settings.
DefaultFileRecorder = NamedMpkFileRecorder
"""What `save_file` and `load_file` use if no other is named."""

DefaultRecorder = NamedMpkFileRecorder
"""Burn's default recorder at full precision."""

CompactRecorder = partial(NamedMpkFileRecorder, HalfPrecisionSettings)
"""The default recorder at half precision: half the size."""

SensitiveCompactRecorder = partial(BinGzFileRecorder, HalfPrecisionSettings)
"""The smallest file: bincode at half precision, compressed."""

NoStdTrainingRecorder = BinFileRecorder
"""What Burn trains with where there is no standard library, at full precision."""

NoStdInferenceRecorder = BinBytesRecorder
"""What Burn infers with where there is no standard library: bytes in the program."""

DebugRecordSettings = PrettyJsonFileRecorder
"""A file to look at while something is being debugged."""
