"""Where the table of a text file begins: its delimiter, its header, and the titles that may stand above it."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from crmkit.datasets.encodings import lines_in
from crmkit.datasets.said import BINARY
from crmkit.datasets.source import HEAD
from crmkit.errors import UnreadableFile

DELIMITERS = (",", "\t", ";", "|")
_MOST_TITLES = 20  # a header stands in the first lines or nowhere
_VALUE = re.compile(r"[-+¥￥\\$€]?[\d０-９][\d０-９\s,.:/年月日時分円T+-]*")  # a number or a date: no header


@dataclass(frozen=True, slots=True)
class Layout:
    """The header of a text file, and the first rows; `offset` is the byte where the header begins.

    `header_line` and `next_line` are the numbers of its first line and of the one after it.
    """

    delimiter: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    offset: int
    header_line: int
    next_line: int
    title_lines: int
    blank_lines: int

    def repeats(self, at: int, few: int) -> bool:
        """Whether the first rows of a column have few different values, and there are enough rows to tell."""
        return len(self.rows) > few and len({row[at] for row in self.rows}) <= few


@dataclass(slots=True)
class _Record:
    """A record of the head: its fields, the line where it begins, and the one where the next begins."""

    fields: tuple[str, ...]
    line: int
    after: int

    @property
    def filled(self) -> int:
        return sum(not field.isspace() and field != "" for field in self.fields)


def layout_of(path: Path, text: str) -> Layout:
    """Find the header of a text from its first part, with the delimiter that cuts it into most fields.

    Raises:
        UnreadableFile: there is no way to cut it into fields.
    """
    found = [one for delimiter in DELIMITERS if (one := _cut(text, delimiter)) is not None]
    if not found:
        raise UnreadableFile("not_csv", file=path, found=BINARY)
    return max(found, key=lambda one: len(one.headers))


def are_values(headers: Sequence[str]) -> bool:
    """Whether half of the headers or more are numbers, dates or addresses: then the first row of data stands there.

    Examples:
        >>> are_values(["1001", "K1", "2024-04-01"]), are_values(["注文番号", "会員番号", "2024"])
        (True, False)
    """
    values = [header for header in headers if _VALUE.fullmatch(header.strip()) or "@" in header]
    return 2 * len(values) >= len(headers) > 0


def _cut(text: str, delimiter: str) -> Layout | None:
    records = list(_records(text, delimiter))
    if not records:
        return None
    at = _header_at(records)
    header = records[at]
    above = [record for record in records[:at] if record.filled]
    rows = [record.fields for record in records[at + 1 :] if len(record.fields) == len(header.fields) and record.filled]
    before = "".join(io.StringIO(text, newline="").readlines()[: header.line])
    titles = sum(record.after - record.line for record in above)
    # lines above the first that is not blank have never counted as lines of the table
    blank = sum(not record.filled for record in records[:at]) if above else 0
    place = (len(before.encode()), header.line + 1, header.after + 1)
    return Layout(delimiter, header.fields, tuple(rows[:HEAD]), *place, titles, blank)


def _records(text: str, delimiter: str) -> Iterator[_Record]:
    """The first records; one that is cut off by the end of the text is there only if it is the first."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    last = lines_in(text)
    line = 0
    begun = False
    try:
        for fields in reader:
            whole = reader.line_num <= last or not begun
            begun = begun or bool(fields)
            if not whole or line > 2 * HEAD + _MOST_TITLES:
                break
            yield _Record(tuple(fields), line, reader.line_num)
            line = reader.line_num
    except csv.Error:  # a value longer than any is; what came before it still tells
        return


def _header_at(records: list[_Record]) -> int:
    """The first record that is not blank, or the one below the titles of a report.

    A title is a record with far fewer filled fields than most have, and a header holds words, not numbers and dates.
    """
    first = next((at for at, record in enumerate(records) if record.filled), 0)
    widths = Counter(len(record.fields) for record in records[first + 1 :] if record.filled)
    usual = max(widths, key=lambda width: (widths[width], width), default=0)
    for at in range(first, min(first + _MOST_TITLES, len(records))):
        record = records[at]
        if len(record.fields) == usual and _is_header(record):
            return at
        followed_by_blank = at + 1 < len(records) and not records[at + 1].filled
        if record.filled and not _is_title(record, usual, followed_by_blank=followed_by_blank):
            return first
    return first


def _is_header(record: _Record) -> bool:
    words = [field for field in record.fields if field.strip() and not _VALUE.fullmatch(field.strip())]
    return 2 * record.filled >= len(record.fields) and 2 * len(words) > record.filled and record.filled > 1


def _is_title(record: _Record, usual: int, *, followed_by_blank: bool) -> bool:
    """Few fields are filled, and as a header it has the wrong width or leaves half of the columns without a name."""
    if usual < 3:
        return usual > 1 and record.filled == 1 and followed_by_blank
    return record.filled <= 2 and record.filled < usual and (len(record.fields) != usual or 2 * record.filled <= usual)
