"""A file as it is: every row and column, where it stands, and how the file was written; nothing is understood yet."""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from crmkit.datasets.source import Misfit, Source
from crmkit.errors import EmptyTable, UnreadableFile

TEXT_FILES = (".csv", ".tsv", ".txt")
PARQUET_FILES = (".parquet", ".pq")
DELIMITERS = (",", "\t", ";")
_BLOCK = 8 << 20  # a record must fit into one block
_BREAK = r"\r\n|\r|\n"
_OTHER_FORMATS = (
    (b"PK\x03\x04", "Excel (.xlsx) / ZIP"),
    (b"\xd0\xcf\x11\xe0", "Excel (.xls)"),
    (b"PAR1", "Parquet"),
    (b"\x1f\x8b", "gzip"),
    (b"%PDF", "PDF"),
    (b"SQLite format 3", "SQLite"),
)
_OTHER_TEXTS = ((b"<!doctype", "HTML"), (b"<html", "HTML"), (b"<?xml", "XML"), (b"{", "JSON"), (b"[{", "JSON"))


def open_file(path: Path) -> Source:
    """Read a CSV, TSV or Parquet file whole.

    Raises:
        UnreadableFile: the file is not there, a folder, or not what its name says.
        EmptyTable: it holds no row.
    """
    suffix = path.suffix.lower()
    if not path.exists():
        raise UnreadableFile("missing", file=path, folder=path.parent.resolve(), nearest=_like(path) or "-")
    if path.is_dir():
        raise UnreadableFile("folder", file=path)
    if suffix not in TEXT_FILES + PARQUET_FILES:
        raise UnreadableFile("extension", file=path, found=suffix or "-")
    try:
        source = _open_parquet(path) if suffix in PARQUET_FILES else _open_text(path)
    except OSError as error:
        raise UnreadableFile("no_access", file=path, detail=error.strerror or error) from None
    if source.rows_read == 0:
        raise EmptyTable("no_rows", file=path, found=", ".join(source.headers))
    return source


def _like(path: Path) -> str:
    """A file of the same folder whose name looks like the one that is missing."""
    names = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    return next(iter(difflib.get_close_matches(path.name, names, n=1)), "")


def _open_parquet(path: Path) -> Source:
    try:
        table = pyarrow.parquet.read_table(path)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise UnreadableFile("not_parquet", file=path) from None
    return Source(path.name, tuple(table.column_names), tuple(table.columns), np.arange(1, table.num_rows + 1))


def _open_text(path: Path) -> Source:
    data, encoding = _utf8(path, path.read_bytes())
    body = data.lstrip(b"\r\n")
    if not body or body.isspace():
        raise EmptyTable("no_bytes", file=path)
    first_line = 1 + len(_breaks(data[: len(data) - len(body)].decode()))
    for mark, found in _OTHER_TEXTS:
        if body[:20].lower().startswith(mark):
            raise UnreadableFile("not_csv", file=path, found=found)
    delimiter, headers = _header(path, body)
    columns, misfits = _parse(path, body, delimiter, len(headers))
    return _numbered(path, encoding, delimiter, headers, columns, misfits, first_line, body.count(b'"'))


def _utf8(path: Path, data: bytes) -> tuple[bytes, str]:
    """The file's text as UTF-8 and the encoding it was found in."""
    for mark, found in _OTHER_FORMATS:
        if data.startswith(mark):
            raise UnreadableFile("not_csv", file=path, found=found)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # what Excel calls "Unicode text"
        try:
            return data.decode("utf-16").encode(), "UTF-16"
        except UnicodeDecodeError:
            raise UnreadableFile("not_csv", file=path, found="binary") from None
    if b"\0" in data:
        raise UnreadableFile("not_csv", file=path, found="binary")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return _from_cp932(path, data, error.start)
    if data.startswith(b"\xef\xbb\xbf"):
        return data[3:], "UTF-8 (BOM)"
    return data, "UTF-8"


def _from_cp932(path: Path, data: bytes, bad: int) -> tuple[bytes, str]:
    """Shift_JIS as Windows writes it; not a UTF-8 file with a few broken bytes, which would turn into garbage."""
    rescued = data.decode(errors="ignore")
    is_utf8 = 2 * (len(rescued.encode()) - _ascii(data)) > len(data) - _ascii(data)
    line = 1 + len(_breaks(data[:bad].decode(errors="replace")))
    if is_utf8:
        raise UnreadableFile("broken_characters", file=path, line=line, found=data[max(bad - 2, 0) : bad + 3])
    try:
        return data.decode("cp932").encode(), "cp932 (Shift_JIS)"
    except UnicodeDecodeError:
        raise UnreadableFile("encoding", file=path, line=line, found=data[max(bad - 2, 0) : bad + 3]) from None


def _ascii(data: bytes) -> int:
    return int((np.frombuffer(data, dtype=np.uint8) < 128).sum())


def _breaks(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[1:]


def _header(path: Path, body: bytes) -> tuple[str, tuple[str, ...]]:
    """The delimiter that cuts the header into most fields, and those fields."""
    head = body[: 1 << 16].decode(errors="ignore")
    found: list[tuple[str, tuple[str, ...]]] = []
    for delimiter in DELIMITERS:
        try:
            found.append((delimiter, tuple(next(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)))))
        except csv.Error:
            continue
    if not found:
        raise UnreadableFile("not_csv", file=path, found="binary")
    return max(found, key=lambda item: len(item[1]))


@dataclass(slots=True)
class _Odd:
    """A misfit as the parser tells it: by record, not by line."""

    record: int
    fields: int
    text: str


def _parse(path: Path, body: bytes, delimiter: str, width: int) -> tuple[list[pa.ChunkedArray], list[_Odd]]:
    """Every column as text, and the records that do not fit."""
    odd: list[_Odd] = []

    def aside(row: pa.csv.InvalidRow) -> str:
        odd.append(_Odd(row.number, row.actual_columns, row.text))
        return "skip"

    names = [str(position) for position in range(width)]  # the file's own names may be empty or come twice
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(body if body.endswith((b"\n", b"\r")) else body + b"\n"),
            # one thread: only then the parser knows the numbers of the records that do not fit
            pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK, column_names=names, skip_rows_after_names=1),
            pyarrow.csv.ParseOptions(
                delimiter=delimiter, invalid_row_handler=aside, newlines_in_values=True, ignore_empty_lines=False
            ),
            pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid as error:
        raise UnreadableFile("not_parsed", file=path, detail=error) from None
    return table.columns, odd


def _numbered(
    path: Path,
    encoding: str,
    delimiter: str,
    headers: tuple[str, ...],
    columns: list[pa.ChunkedArray],
    odd: list[_Odd],
    first_line: int,
    quotes: int,
) -> Source:
    """Turn record numbers into line numbers, which differ once a quoted value holds a line break; drop blank lines."""
    total = len(columns[0]) + len(odd)
    fits = np.ones(total, dtype=bool)
    fits[[item.record - 2 for item in odd]] = False  # the header is record 1
    breaks = np.zeros(total, dtype=np.int64)
    blank = np.ones(len(columns[0]), dtype=bool)
    for column in columns:
        if quotes:  # only a quoted value can hold a line break
            breaks[fits] += pc.count_substring_regex(column, _BREAK).to_numpy()
        blank &= pc.equal(pc.binary_length(column), 0).to_numpy()
    breaks[~fits] = [len(_breaks(item.text)) for item in odd]
    if quotes % 2 and total and breaks[-1]:
        raise UnreadableFile("open_quote", file=path, line=int(first_line + total + breaks[:-1].sum()))
    start = first_line + 1 + len(_breaks("".join(headers)))
    lines = start + np.arange(total) + np.cumsum(breaks) - breaks
    misfits = tuple(_misfits(odd, lines, delimiter))
    if 2 * len(misfits) > total - blank.sum():
        raise UnreadableFile(
            "misfits", file=path, rows=len(misfits), of=int(total - blank.sum()), expected=len(headers),
            found=misfits[0].fields, line=misfits[0].line, delimiter=repr(delimiter),
        )  # fmt: skip
    kept = columns if not blank.any() else [column.filter(pa.array(~blank)) for column in columns]
    n_blank = int(blank.sum()) + len(odd) - len(misfits)
    return Source(path.name, headers, tuple(kept), lines[fits][~blank], encoding, delimiter, misfits, n_blank)


def _misfits(odd: list[_Odd], lines: np.ndarray, delimiter: str) -> Iterator[Misfit]:
    for item in odd:
        if not re.fullmatch(rf'[\s"{delimiter}]*', item.text):  # a line of spaces is a blank line
            yield Misfit(int(lines[item.record - 2]), item.fields, item.text)
