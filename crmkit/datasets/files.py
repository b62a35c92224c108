"""A file as it is: every row and column, where it stands, and how the file was written; nothing is understood yet."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from crmkit.datasets.encodings import BOM, decoded, lines_in
from crmkit.datasets.layout import Layout, layout_of
from crmkit.datasets.said import BINARY
from crmkit.datasets.source import HEAD, Misfit, Offer, Source, SourceNote, memory, must_be_there
from crmkit.errors import EmptyTable, UnreadableFile

TEXT_FILES = (".csv", ".tsv", ".txt")
PARQUET_FILES = (".parquet", ".pq")
PACKED = ".gz"
_BLOCK = 8 << 20  # a record must fit into one block
_PIECE = 1 << 24
_SMALL = 256 << 20  # bytes that may be unpacked whatever they are packed into
_MOST_PACKED = 300  # times: plain tables are packed into a tenth, hardly ever into a hundredth
_LOOKED_AT = 1 << 18  # bytes that are read to tell what a file holds
_FEW = 50  # different values among the first rows: then a column is kept as numbers of values, read once each
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


def open_file(path: Path, *, encoding: str | None = None) -> Source:
    """Read a CSV, TSV or Parquet file whole.

    Raises:
        UnreadableFile: the file is not there, a folder, or not what its name says.
        EmptyTable: it holds no row.
    """
    return offer_file(path, encoding=encoding).read()


def offer_file(path: Path, *, encoding: str | None = None) -> Offer:
    """Look into a CSV, TSV or Parquet file, the text files also packed with gzip: headers and first rows.

    Args:
        path: The file. Which delimiter and encoding a text file has is found out.
        encoding: The encoding of a text file, where it is known or was found wrongly.

    Returns:
        What the file offers; its `read()` reads all of it.

    Raises:
        UnreadableFile: the file is not there, a folder, or not what its name says.
        EmptyTable: there is nothing in it at all.
        ParameterError: there is no encoding of that name.

    Examples:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp()) / "shop.csv"
        >>> _ = path.write_text("会員番号;購入金額\\nA;4400\\n", encoding="euc_jp")
        >>> offer = offer_file(path)
        >>> offer.headers
        ('会員番号', '購入金額')
        >>> offer.read().encoding
        'EUC-JP'
    """
    must_be_there(path)
    if path.is_dir():
        raise UnreadableFile("folder", file=path)
    plain = Path(path.stem) if path.suffix.lower() == PACKED else path
    suffix = plain.suffix.lower()
    if suffix not in TEXT_FILES + (PARQUET_FILES if plain is path else ()):
        raise UnreadableFile("extension", file=path, found=path.suffix.lower() or "-")
    try:
        offer = _parquet(path) if suffix in PARQUET_FILES else _text(path, plain.stem, encoding)
    except OSError as error:
        raise _no_access(path, error) from None
    return replace(offer, read=partial(_whole, path, offer))


def _whole(path: Path, offer: Offer) -> Source:
    try:
        source = offer.read()
    except OSError as error:
        raise _no_access(path, error) from None
    if source.rows_read == 0:
        raise EmptyTable("no_rows", file=path, found=", ".join(source.headers))
    return source


def _no_access(path: Path, error: OSError) -> UnreadableFile:
    return UnreadableFile("no_access", file=path, detail=error.strerror or error)


# --- Parquet


def _parquet(path: Path) -> Offer:
    with _parquet_only(path), pyarrow.parquet.ParquetFile(path) as file:
        told = file.metadata
        if 4 * told.num_rows * told.num_columns > memory():  # a few bytes may stand for billions of rows
            raise UnreadableFile("too_large", file=path, rows=told.num_rows)
        first = next(file.iter_batches(batch_size=HEAD), None)
        head = file.schema_arrow.empty_table() if first is None else pa.table(first)
    columns = tuple(head.slice(0, HEAD).columns)
    few = [name for name, column in zip(head.column_names, columns, strict=True) if _repeats(column)]
    return Offer(path.name, path.stem, tuple(head.column_names), columns, partial(_open_parquet, path, few))


@contextmanager
def _parquet_only(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise UnreadableFile("not_parquet", file=path) from None
    except OSError as error:
        if error.errno is None:  # Arrow's own: a damaged page
            raise UnreadableFile("not_parquet", file=path) from None
        raise


def _repeats(column: pa.ChunkedArray) -> bool:
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    return is_text and len(column) > _FEW and pc.count_distinct(column).as_py() <= _FEW


def _open_parquet(path: Path, few: list[str]) -> Source:
    with _parquet_only(path):
        # a file on a disk is read as it is needed; to fetch it ahead costs as much again
        table = pyarrow.parquet.read_table(path, read_dictionary=few or None, pre_buffer=False)
    return Source(path.name, tuple(table.column_names), tuple(table.columns), np.arange(1, table.num_rows + 1))


# --- text


@dataclass(slots=True)
class _Bytes:
    """The text of a file as UTF-8: on the disk as it stands there, or in memory where it had to be turned into it."""

    path: Path
    encoding: str
    data: bytes | None = None

    def opened(self) -> io.BufferedIOBase:
        return open(self.path, "rb") if self.data is None else io.BytesIO(self.data)

    def first(self) -> bytes:
        with self.opened() as file:
            return file.read(_LOOKED_AT).removeprefix(BOM)

    def size(self) -> int:
        return self.path.stat().st_size if self.data is None else len(self.data)


class _Span(io.RawIOBase):
    """The part of a file that holds the table, read on and on; it ends with a line break even if the file does not."""

    def __init__(self, file: io.BufferedIOBase, start: int, end: int) -> None:
        self._file = file
        self._left = end - start
        self._ended = False
        file.seek(start)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._ended:
            return b""
        # one byte of what is asked for is kept free: a line break on its own would be a blank line
        data = self._file.read(min(size - 1, self._left) if size > 0 else self._left)
        self._left -= len(data)
        if self._left and data:
            return data
        self._ended = True
        return data + b"\n"


def _text(path: Path, stem: str, encoding: str | None) -> Offer:
    """What the first bytes tell; a small file is looked at whole."""
    packed = path.suffix.lower() == PACKED
    data = _unpacked(path) if packed else None
    with open(path, "rb") as file:
        first = file.read(_LOOKED_AT) if data is None else data[:_LOOKED_AT]
    for mark, found in _OTHER_FORMATS:
        if first.startswith(mark):
            raise UnreadableFile("not_csv", file=path, found=found)
    text = _looked_at(path, first, encoding)
    head = layout_of(path, text)
    columns = [pa.chunked_array([[row[at] for row in head.rows]], pa.string()) for at in range(len(head.headers))]
    return Offer(path.name, stem, head.headers, tuple(columns), partial(_open_text, path, data, encoding))


def _unpacked(path: Path) -> bytes:
    """All of a packed file, or an error long before it has filled the memory."""
    most = min(max(_SMALL, _MOST_PACKED * path.stat().st_size), memory() // 4)
    whole = bytearray()
    try:
        with gzip.open(path) as file:
            while piece := file.read(_PIECE):
                whole += piece
                if len(whole) > most:
                    raise UnreadableFile("unpacks_endlessly", file=path, size=len(whole) >> 20)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise UnreadableFile("not_gzip", file=path) from None
    return bytes(whole)


def _looked_at(path: Path, first: bytes, encoding: str | None) -> str:
    """The first part of a file as text, up to its last whole line."""
    whole = first
    if len(first) == _LOOKED_AT:
        wide = first.startswith((b"\xff\xfe", b"\xfe\xff")) or b"utf16" in (encoding or "").encode().replace(b"-", b"")
        half = wide and 0xD8 in (first[-1] & 0xFC, first[-2] & 0xFC)  # of a character that takes four bytes
        cut = len(first) - 2 * half if wide else max(first.rfind(b"\n"), first.rfind(b"\r")) + 1
        whole = first[: cut or len(first)]
    try:
        return _checked(path, decoded(path, whole, encoding)[0])
    except UnreadableFile as error:
        if len(first) < _LOOKED_AT or error.reason == "not_csv":
            raise
        return _checked(path, whole.decode(errors="replace").encode())  # the whole file will tell more


def _checked(path: Path, data: bytes) -> str:
    body = data.lstrip(b"\r\n")
    if not body or body.isspace():
        raise EmptyTable("no_bytes", file=path)
    for mark, found in _OTHER_TEXTS:
        if body[:20].lower().startswith(mark):
            raise UnreadableFile("not_csv", file=path, found=found)
    return data.decode(errors="ignore")


def _open_text(path: Path, data: bytes | None, encoding: str | None) -> Source:
    """Read it as UTF-8, which is checked while it is parsed; anything else is turned into it first."""
    if encoding is None:
        with open(path, "rb") as file:
            first = file.read(_LOOKED_AT) if data is None else data[:_LOOKED_AT]
        if _may_be_utf8(first):
            mark = len(BOM) * first.startswith(BOM)
            said = "UTF-8 (BOM)" if mark else "UTF-8"
            try:
                return _table(_Bytes(path, said, data if data is None else data[mark:]))
            except _NotUtf8:
                pass
    turned, said = decoded(path, path.read_bytes() if data is None else data, encoding)
    _checked(path, turned[:_LOOKED_AT])
    try:
        return _table(_Bytes(path, said, turned))
    except _NotUtf8:
        raise UnreadableFile("not_csv", file=path, found=BINARY) from None


class _NotUtf8(Exception):
    """The bytes are no UTF-8: nobody outside sees this."""


def _may_be_utf8(first: bytes) -> bool:
    try:
        first.decode()
    except UnicodeDecodeError as error:
        return error.start > len(first) - 4 and len(first) == _LOOKED_AT  # cut in the middle of a character
    return b"\0" not in first and b"\x1b$" not in first


def _table(text: _Bytes) -> Source:
    head = layout_of(text.path, text.first().decode(errors="ignore"))
    mark = 0
    with text.opened() as file:
        if file.read(len(BOM)) == BOM:
            mark = len(BOM)
    start = mark + head.offset
    end, blank_end = _end(text, start)
    quotes = _quotes(text, start)
    columns, odd = _parse(text, start, end, head, quotes)
    source = _numbered(text, head, columns, odd, quotes)
    notes: tuple[SourceNote, ...] = ()
    if head.title_lines:
        line = head.header_line
        notes = (SourceNote("titles", file=text.path.name, lines=head.title_lines, line=line),)
    return replace(source, blank_lines=source.blank_lines + blank_end, notes=notes)


def _end(text: _Bytes, start: int) -> tuple[int, int]:
    """Where the last line that is not blank ends, and how many blank ones come after it."""
    size = text.size()
    with text.opened() as file:
        at = max(start, size - _PIECE)
        file.seek(at)
        tail = file.read()
    body = tail.rstrip(b"\r\n")
    blank = lines_in(tail[len(body) :].decode()) - 1
    return at + len(body), max(blank, 0)


def _quotes(text: _Bytes, start: int) -> int:
    """How many quotes there are: without any, a line is a record."""
    quotes = 0
    with text.opened() as file:
        file.seek(start)
        while piece := file.read(_PIECE):
            if b"\0" in piece:
                raise _NotUtf8
            if b'"' in piece:  # looking is much quicker than counting
                quotes += piece.count(b'"')
    return quotes


@dataclass(slots=True)
class _Odd:
    """A misfit as the parser tells it: by record, not by line."""

    record: int
    fields: int
    text: str


def _parse(text: _Bytes, start: int, end: int, head: Layout, quotes: int) -> tuple[list[pa.ChunkedArray], list[_Odd]]:
    """Every column as text, and the records that do not fit."""
    names = [str(position) for position in range(len(head.headers))]  # the file's own may be empty or come twice
    few = pa.dictionary(pa.int32(), pa.string())
    types = {name: few if head.repeats(at, _FEW) else pa.string() for at, name in enumerate(names)}
    odd: list[_Odd] = []

    def aside(row: pa.csv.InvalidRow) -> str:
        odd.append(_Odd(row.number, row.actual_columns, row.text))
        return "skip"

    def read(*, threads: bool) -> list[pa.ChunkedArray]:
        with text.opened() as file:
            table = pyarrow.csv.read_csv(
                _Span(file, start, end),
                pyarrow.csv.ReadOptions(
                    use_threads=threads, block_size=_BLOCK, column_names=names, skip_rows_after_names=1
                ),
                pyarrow.csv.ParseOptions(
                    delimiter=head.delimiter,
                    invalid_row_handler=None if threads else aside,
                    newlines_in_values=bool(quotes),
                    ignore_empty_lines=False,
                ),
                pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=False),
            )
        return list(table.columns)

    try:
        return read(threads=True), odd
    except pa.ArrowInvalid as error:
        if "UTF8" in str(error):
            raise _NotUtf8 from None
    try:  # only one thread knows the numbers of the records that do not fit
        return read(threads=False), odd
    except pa.ArrowInvalid as error:
        if "UTF8" in str(error):
            raise _NotUtf8 from None
        if "straddling" in str(error):
            raise UnreadableFile("long_record", file=text.path, most=_BLOCK >> 20) from None
        raise UnreadableFile("not_parsed", file=text.path, detail=error) from None


def _numbered(text: _Bytes, head: Layout, columns: list[pa.ChunkedArray], odd: list[_Odd], quotes: int) -> Source:
    """Turn record numbers into line numbers, which differ once a quoted value holds a line break; drop blank lines."""
    path = text.path
    total = len(columns[0]) + len(odd)
    lines = head.next_line + np.arange(total)
    fits = np.ones(total, dtype=bool)
    fits[[item.record - 2 for item in odd]] = False  # the header is record 1
    if quotes:
        breaks = np.zeros(total, dtype=np.int64)
        breaks[fits] = sum(_breaks(column) for column in columns)
        breaks[~fits] = [lines_in(item.text) for item in odd]
        lines += np.cumsum(breaks) - breaks
        if quotes % 2 and total and breaks[-1]:
            raise UnreadableFile("open_quote", file=path, line=int(lines[-1]))
    blank = _blank(columns)
    misfits = tuple(_misfits(odd, lines, head.delimiter))
    n_blank = int(blank.sum())
    if 2 * len(misfits) > total - n_blank:
        raise UnreadableFile(
            "misfits", file=path, rows=len(misfits), of=total - n_blank, expected=len(head.headers),
            found=misfits[0].fields, line=misfits[0].line, delimiter=repr(head.delimiter),
        )  # fmt: skip
    if n_blank:
        columns = [column.filter(pa.array(~blank)) for column in columns]
    return Source(
        path.name,
        head.headers,
        tuple(columns),
        lines[fits][~blank] if odd or n_blank else lines,
        text.encoding,
        head.delimiter,
        misfits,
        n_blank + len(odd) - len(misfits) + head.blank_lines,
        head.title_lines,
    )


def _breaks(column: pa.ChunkedArray) -> np.ndarray:
    """Line breaks in each value."""
    if pa.types.is_dictionary(column.type):
        parts = [
            pc.count_substring_regex(chunk.dictionary, _BREAK).to_numpy()[chunk.indices.to_numpy()]
            for chunk in column.chunks
        ]
    else:
        parts = [
            pc.count_substring_regex(chunk, _BREAK).to_numpy() if _has_break(chunk) else np.zeros(len(chunk), np.int32)
            for chunk in column.chunks
        ]
    return np.concatenate([np.zeros(0, dtype=np.int32), *parts])


def _has_break(chunk: pa.StringArray) -> bool:
    return bool(pc.any(pc.match_substring_regex(chunk, r"[\r\n]")).as_py())


def _blank(columns: list[pa.ChunkedArray]) -> np.ndarray:
    """Rows without a single letter; the first column most often tells that there are none."""
    blank = np.ones(len(columns[0]), dtype=bool)
    for column in columns:
        if not blank.any():
            break
        blank &= pc.equal(column, "").to_numpy()
    return blank


def _misfits(odd: list[_Odd], lines: np.ndarray, delimiter: str) -> Iterator[Misfit]:
    for item in odd:
        if not re.fullmatch(rf'[\s"{re.escape(delimiter)}]*', item.text):  # a line of spaces is a blank line
            yield Misfit(int(lines[item.record - 2]), item.fields, item.text)
