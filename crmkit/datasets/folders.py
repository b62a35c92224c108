"""A folder of exports: each table once, be it a file, a sheet, or many files that are pieces of one table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

from crmkit.datasets.books import BOOKS, offers_of_book
from crmkit.datasets.files import PARQUET_FILES, TEXT_FILES, offer_file
from crmkit.datasets.parts import as_one, in_order, pattern_of, same_columns, stem_of
from crmkit.datasets.source import Offer, Offers, Source, SourceNote, must_be_there
from crmkit.errors import CrmkitError, EmptyTable, UnreadableFile
from crmkit.texts import text

_READ = (*TEXT_FILES, *PARQUET_FILES, *BOOKS)
_SYSTEM = ("thumbs.db", "desktop.ini", "__macosx")
_LAKES = {"_delta_log": "Delta Lake", "metadata": "Iceberg", ".hoodie": "Hudi"}
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def offers_of_folder(path: Path, *, encoding: str | None = None) -> Offers:
    """Look into a folder: each CSV, TSV, Parquet and Excel file directly in it, and each folder that is one table.

    Files whose names differ only in numbers and that have the same columns are read as one table, one after another;
    so are the files of a folder in it, also where folders are called year=2024, which then is a column.

    Args:
        path: The folder.
        encoding: The encoding of its text files, where the one that is found by itself is wrong.

    Returns:
        An offer per table; the `notes` name what is left out: links that lead out of the folder, files of other kinds.

    Raises:
        UnreadableFile: it is not there, or a piece of a table cannot be read.
        EmptyTable: there is nothing to read in it.

    Examples:
        >>> from tempfile import mkdtemp
        >>> folder = Path(mkdtemp())
        >>> for month in ("2024-01", "2024-02"):
        ...     _ = (folder / f"orders_{month}.csv").write_text(f"id,on\\n1,{month}-05\\n")
        >>> [(offer.stem, offer.read().rows_read) for offer in offers_of_folder(folder)]
        [('orders', 2)]
    """
    must_be_there(path)
    try:
        walk = _Walk(path, path.resolve(), encoding, [])
        offers = Offers(walk.tables(path))
    except OSError as error:
        raise UnreadableFile("no_access", file=path, detail=error.strerror or error) from None
    offers.notes = walk.notes
    if not offers:
        raise EmptyTable("no_part", folder=path)
    return offers


@dataclass(frozen=True, slots=True)
class _Walk:
    folder: Path
    root: Path
    encoding: str | None
    notes: list[SourceNote]

    def tables(self, folder: Path) -> Iterator[Offer]:
        """What a folder and the folders in it offer."""
        items = list(self._items(folder))
        files = [item for item in items if not item.is_dir()]
        folders = [item for item in items if item.is_dir()]
        yield from self._grouped([pair for file in self._known(files) for pair in self._opened(file)], folder.name)
        cut = [item for item in folders if "=" in item.name]
        if cut:
            yield from self._one([pair for item in cut for pair in self._partitions(item, {})], folder)
        for item in folders:
            if item not in cut:
                yield from self._one(list(self._partitions(item, {})), item)

    def _items(self, folder: Path) -> Iterator[Path]:
        """What lies in a folder, by number, without what systems and Office put there and without ways out."""
        for name, lake in _LAKES.items():
            inside = folder / name
            if inside.is_dir() and (name != "metadata" or any(inside.glob("*.metadata.json"))):
                raise UnreadableFile("lake", folder=folder, found=lake)
        for item in sorted(folder.iterdir(), key=lambda item: in_order(item.name)):
            if item.name.startswith((".", "_", "~$")) or item.name.lower() in _SYSTEM:
                continue
            # a link to a folder above would also be walked without end
            outside = item.is_symlink() and (item.is_dir() or not item.resolve().is_relative_to(self.root))
            if outside:
                self.notes.append(SourceNote("link_outside", folder=self.folder.name, name=item.name))
            else:
                yield item

    def _known(self, files: Iterable[Path]) -> Iterator[Path]:
        """Files that can be read; the others are said."""
        others = []
        for file in files:
            if _suffix(file) in _READ:
                yield file
            else:
                others.append(file.name)
        if others:
            examples = ", ".join(others[:3])
            self.notes.append(SourceNote("other_files", folder=self.folder.name, count=len(others), examples=examples))

    def _opened(self, file: Path) -> Iterator[tuple[str, Offer]]:
        """The offers of a file, each with the pattern of its name; a file that cannot be opened is said."""
        try:
            if _suffix(file) in BOOKS:
                book = offers_of_book(file)
                self.notes.extend(book.notes)
                yield from ((f"{pattern_of(file.name)} [{pattern_of(offer.stem)}]", offer) for offer in book)
            else:
                yield pattern_of(file.name), offer_file(file, encoding=self.encoding)
        except CrmkitError as error:
            siblings = [item for item in file.parent.iterdir() if pattern_of(item.name) == pattern_of(file.name)]
            if len(siblings) > 1 and not isinstance(error, EmptyTable):
                raise  # without this piece the table would be too short
            self.notes.append(SourceNote("not_read", folder=self.folder.name, name=file.name, detail=error))

    def _partitions(self, folder: Path, fixed: Mapping[str, str]) -> Iterator[tuple[str, Offer]]:
        """The files of a folder that is one table, with the columns that the names of its folders hold."""
        key, cut, value = folder.name.partition("=")
        if cut:
            fixed = {**fixed, unquote(key): unquote(value)}
        items = list(self._items(folder))
        for file in self._known([item for item in items if not item.is_dir()]):
            yield from ((pattern, _with_columns(offer, fixed)) for pattern, offer in self._opened(file))
        for item in items:
            if item.is_dir() and "=" in item.name:
                yield from self._partitions(item, fixed)
            elif item.is_dir():
                self.notes.append(SourceNote("deep_folder", folder=self.folder.name, name=f"{folder.name}/{item.name}"))

    def _one(self, found: list[tuple[str, Offer]], folder: Path) -> Iterator[Offer]:
        """A folder as one table."""
        offers = [offer for _, offer in found]
        if offers and same_columns(offers):
            yield as_one(offers, text("source.files", pattern=f"{folder.name}/", count=len(offers)), folder.name)
        elif offers:
            self.notes.append(SourceNote("deep_folder", folder=self.folder.name, name=folder.name))

    def _grouped(self, found: list[tuple[str, Offer]], otherwise: str) -> Iterator[Offer]:
        """Files beside each other: those with one pattern and the same columns become one."""
        groups: dict[str, list[Offer]] = {}
        for pattern, offer in found:
            groups.setdefault(pattern, []).append(offer)
        for pattern, offers in groups.items():
            if len(offers) > 1 and same_columns(offers):
                inside = pattern.partition(" [")[2].rstrip("]")
                bare = inside or pattern
                stem = stem_of(bare.removesuffix(".gz").rsplit(".", 1)[0], otherwise)
                yield as_one(offers, text("source.files", pattern=pattern, count=len(offers)), stem)
                continue
            if len(offers) > 1:
                other = next(offer.name for offer in offers if sorted(offer.headers) != sorted(offers[0].headers))
                self.notes.append(SourceNote("headers_differ", folder=self.folder.name, pattern=pattern, example=other))
            yield from offers


def _suffix(file: Path) -> str:
    """The ending that says what a file is; text files may be packed."""
    packed = file.suffix.lower() == ".gz"
    suffix = Path(file.stem).suffix.lower() if packed else file.suffix.lower()
    return "" if packed and suffix not in TEXT_FILES else suffix


def _with_columns(offer: Offer, fixed: Mapping[str, str]) -> Offer:
    """An offer with columns that have one value throughout."""
    more = {name: value for name, value in fixed.items() if name not in offer.headers}
    if not more:
        return offer
    rows = len(offer.head[0]) if offer.head else 0
    head = (*offer.head, *_constant(more, rows))
    return replace(offer, headers=(*offer.headers, *more), head=head, read=partial(_read_with, offer, more))


def _read_with(offer: Offer, more: Mapping[str, str]) -> Source:
    source = offer.read()
    columns = (*source.columns, *_constant(more, len(source.lines)))
    return replace(source, headers=(*source.headers, *more), columns=columns)


def _constant(more: Mapping[str, str], rows: int) -> Iterator[pa.ChunkedArray]:
    for value in more.values():
        cell = pa.scalar(None if value == _NO_VALUE else value, pa.string())
        yield pa.chunked_array([pa.repeat(cell, rows)])
