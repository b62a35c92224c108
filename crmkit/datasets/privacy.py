"""Customers under other names: ids that only the key turns back, and without what identifies a person directly."""

from __future__ import annotations

import base64
import math
import os
import secrets
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmkit import schema
from crmkit.datasets.crm import Crm
from crmkit.errors import CannotWrite, ParameterError, UnreadableFile
from crmkit.schema import Column, Table

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

KEY_BYTES = 32
_PEOPLE = ("lead_id", "person_id", "referred_by", "owner_id", "staff_id", "assignee_id", "actor_id", "reviewer_id")
_MARK = "p"  # a token starts like no id of the simulator, and never like a formula

Step = Callable[[pa.ChunkedArray], pa.ChunkedArray]


def new_key(path: str | os.PathLike[str]) -> Path:
    """Make a key for `pseudonymize` and write it to a file that only you can read.

    Args:
        path: Where to write it; keep it apart from the data. Who has both has the names.

    Returns:
        The path.

    Raises:
        CannotWrite: the file is there already, or cannot be written.

    Examples:
        >>> from tempfile import mkdtemp
        >>> key = new_key(Path(mkdtemp()) / "shop.key")
        >>> key.name
        'shop.key'
    """
    place = Path(path).expanduser()
    try:
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
    except FileExistsError:
        raise CannotWrite("key_there", out=place) from None
    except OSError as error:
        raise CannotWrite("failed", out=place, file=place, detail=error.strerror or error) from None
    return place


def pseudonymize(crm: Crm, *, key: str | os.PathLike[str] | bytes) -> Crm:
    """The same tables with customers and staff under other names.

    The same id becomes the same token in every table and in every run with the same key, so that all joins and all
    figures stay as they are; only the key turns it back (`reveal`). Names, readings, addresses of mail, telephone
    numbers and free text are left out, a birth date keeps its year, a postal code its first three digits. What remains
    is still personal data in the sense of the law: rare combinations can point to one person.

    Args:
        crm: What `load`, `simulate` or `sample` gave.
        key: The file that `new_key` wrote, or its 32 bytes.

    Returns:
        A new `Crm`; the one given is not changed.

    Raises:
        ParameterError: the key is no key.
        UnreadableFile: its file cannot be read.

    Examples:
        >>> from crmkit.datasets import sample
        >>> shop = sample("ten_customers")
        >>> key = bytes(range(32))
        >>> hidden = pseudonymize(shop, key=key)
        >>> hidden.orders["customer_id"].nunique() == shop.orders["customer_id"].nunique()
        True
        >>> reveal(hidden.orders["customer_id"].head(2), key=key)
        ['A', 'B']

    References:
        Harkins (2008), RFC 5297: Synthetic Initialization Vector (SIV) Authenticated Encryption Using AES.
    """
    cipher = _cipher(key)
    facts = {**crm.facts, "pseudonymized": True}
    truth = None if crm.truth is None else Crm(_hidden(crm.truth, schema.TRUTH, cipher), zone=crm.zone)
    return Crm(_hidden(crm, schema.TABLES, cipher), zone=crm.zone, truth=truth, facts=facts)


def reveal(tokens: Iterable[Any], *, key: str | os.PathLike[str] | bytes) -> list[str | None]:
    """The ids behind tokens.

    Args:
        tokens: Tokens that `pseudonymize` made; empty ones stay empty.
        key: The key they were made with.

    Returns:
        The ids, in the same order.

    Raises:
        ParameterError: a token was not made with this key, or is none.

    Examples:
        >>> reveal([None], key=bytes(32))
        [None]
    """
    cipher = _cipher(key)
    return [None if _is_empty(token) else _opened(cipher, str(token)) for token in tokens]


def _hidden(crm: Crm, models: Mapping[str, Table], cipher: AESSIV) -> dict[str, Callable[[], pa.Table]]:
    return {name: partial(_without_names, crm, name, models.get(name), cipher) for name in crm.tables}


def _without_names(crm: Crm, name: str, model: Table | None, cipher: AESSIV) -> pa.Table:
    table = crm.arrow(name)
    for column in table.column_names:
        step = _step(column, model[column] if model is not None and column in model else None, cipher)
        at = table.column_names.index(column)
        table = table.remove_column(at) if step is None else table.set_column(at, column, step(table[column]))
    return table


def _step(name: str, model: Column | None, cipher: AESSIV) -> Step | None:
    """What becomes of a column; `None`: it is left out. A column that the model does not know could hold anything."""
    if name.endswith("customer_id") or name in _PEOPLE:
        return partial(_tokens, cipher)
    if model is None:
        return None
    if not model.personal:
        return lambda column: column
    return {"birth_date": _year, "postal_code": _area}.get(name)


def _tokens(cipher: AESSIV, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each different id is encrypted once."""
    coded = column.cast(pa.string()).combine_chunks().dictionary_encode()
    words = pa.array([_token(cipher, word) for word in coded.dictionary.to_pylist()], pa.string())
    return pa.chunked_array([words.take(coded.indices)])


def _token(cipher: AESSIV, word: str) -> str:
    return _MARK + base64.b32encode(cipher.encrypt(word.encode() or b"\0", None)).decode().rstrip("=").lower()


def _opened(cipher: AESSIV, token: str) -> str:
    from cryptography.exceptions import InvalidTag

    body = token.removeprefix(_MARK).upper()
    try:
        found = cipher.decrypt(base64.b32decode(body + "=" * (-len(body) % 8)), None).decode()
    except (InvalidTag, ValueError):
        raise ParameterError("not_this_key", token=token[:8] + "…") from None
    return "" if found == "\0" else found


def _year(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.floor_temporal(column, unit="year")


def _area(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The first three digits of a postal code: a district of a city."""
    words = [None if code is None else _digits(code) for code in column.to_pylist()]
    return pa.chunked_array([pa.array([None if word is None else word[:3] or None for word in words], pa.string())])


def _digits(code: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKC", code) if letter.isdigit())


def _is_empty(token: Any) -> bool:
    return token is None or token is pd.NA or (isinstance(token, float) and math.isnan(token))


def _cipher(key: str | os.PathLike[str] | bytes) -> AESSIV:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    secret = _secret(key)
    spread = HKDF(hashes.SHA512(), length=64, salt=None, info=b"crmkit people").derive(secret)
    return AESSIV(spread)


def _secret(key: str | os.PathLike[str] | bytes) -> bytes:
    if not isinstance(key, bytes):
        path = Path(key).expanduser()
        try:
            key = bytes.fromhex(path.read_text(encoding="ascii"))
        except (FileNotFoundError, IsADirectoryError):
            raise UnreadableFile("no_key", file=path) from None
        except OSError as error:
            raise UnreadableFile("no_access", file=path, detail=error.strerror or error) from None
        except ValueError:
            raise ParameterError("no_key", bytes=KEY_BYTES) from None
    if len(key) != KEY_BYTES:
        raise ParameterError("no_key", bytes=KEY_BYTES)
    return key
