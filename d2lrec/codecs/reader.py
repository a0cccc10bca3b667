"""What the binary decoders share: a window that walks a source, and its errors."""

from __future__ import annotations

from d2lrec.errors import CorruptRecord
from d2lrec.payload import Source, Span
from d2lrec.record import FILE_DEPTH, MAX_VALUES, TOO_MANY

# How much is read at a time while walking: little after a payload was jumped over, as
# another may follow, and more and more while none does.
FIRST = 1 << 11
WINDOW = 1 << 16
# Payloads of up to this many bytes are read with what stands around them.
SMALL = 4096


class Reader:
    """Walks a source; `base` is where the window begins, `position` is in the window.

    Attributes:
        path: The place in the tree, kept by the decoders for errors.
    """

    hint = "The file was cut short or damaged."

    def __init__(self, source: Source) -> None:
        self.source = source
        self.window = b""
        self.base = 0
        self.position = 0
        self.ahead = FIRST
        self.path: list[str | int] = []
        self.values = 0

    @property
    def offset(self) -> int:
        """Where the walk is in the source."""
        return self.base + self.position

    def corrupt(self, message: str, offset: int | None = None) -> CorruptRecord:
        """Return the error for what was found here, or at `offset`."""
        at = self.offset if offset is None else offset
        return CorruptRecord(message, path=self.path, offset=at)

    def take(self, count: int) -> bytes:
        """Return the next bytes, moving the window when they reach beyond it."""
        if self.position + count > len(self.window):
            self.check(count)
            self.fill(count)
        self.position += count
        return self.window[self.position - count : self.position]

    def look_ahead(self, count: int) -> None:
        """Have the next bytes in the window, or as many as there are left."""
        end = len(self.window)
        if self.position + count > end and self.base + end < self.source.size:
            self.fill(count)

    def fill(self, count: int) -> None:
        """Begin the window here, with `count` bytes or more, if there are as many."""
        self.base, self.position = self.offset, 0
        ahead = min(max(count, self.ahead), self.source.size - self.base)
        self.window = self.source.read(self.base, ahead)
        self.ahead = min(4 * self.ahead, WINDOW)

    def check(self, count: int) -> None:
        """Refuse a length that the rest of the input cannot hold."""
        left = self.source.size - self.offset
        if count > left:
            raise self.corrupt(
                f"{count} more byte{'s' * (count != 1)} expected, {left} left. "
                f"{self.hint}"
            )

    def payload(self, count: int) -> Span:
        """Leave a payload where it is and jump over it; read a small one on the way."""
        self.check(count)
        span = Span(self.source, self.offset, count)
        if count <= SMALL:
            span.known = self.take(count)
        elif self.position + count <= len(self.window):
            self.position += count
        else:  # read nothing of the payload
            self.base, self.window, self.position = self.offset + count, b"", 0
            self.ahead = FIRST
        return span

    def text(self, count: int) -> str:
        """Read a UTF-8 string of `count` bytes."""
        start = self.offset
        try:
            return self.take(count).decode()
        except UnicodeDecodeError as error:
            what = f"a string is not UTF-8: {error.reason}."
            raise self.corrupt(what, start + error.start) from None

    def enter(self, key: str | int) -> None:
        """Go one level down; `path.pop()` goes up again."""
        self.path.append(key)
        self.values += 1
        if self.values > MAX_VALUES:
            raise self.corrupt(TOO_MANY)
        if len(self.path) > FILE_DEPTH:
            raise self.corrupt(f"nested deeper than {FILE_DEPTH} levels.")

    def finish(self) -> None:
        """Refuse bytes after the value."""
        left = self.source.size - self.offset
        if left:
            raise self.corrupt(
                f"the record ends here, and {left} more byte{'s' * (left > 1)} found. "
                "The file was changed, or is not what was expected."
            )
