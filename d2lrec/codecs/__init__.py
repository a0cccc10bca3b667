"""Codecs: a record's tree to bytes and back, one pair of functions each.

`encode(tree)` returns the parts of a file in order: headers as bytes, and each
tensor's payload as it is. `decode(source)` returns the tree and reads no payload.
"""
