"""CDNOW: the purchases of 23,570 real customers of a record shop, 1997-01 to 1998-06, for tests and the bench.

The file comes inside the wheel of `lifetimes`, a development dependency installed for its data alone: it does not
run beside pandas 3, so it is never imported. `python tests/cdnow.py` prints the path of the CSV.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).parents[1] / ".build" / "cdnow"
SHA256 = "eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef"
ORDERS, CUSTOMERS = 69_659, 23_570
OWN_NAMES = {"customer_id": "customer", "ordered_at": "date", "net_amount": "dollars"}


def cdnow_csv() -> Path:
    """The purchases as CSV: customer, date (19970101), units, dollars, as written in the original."""
    path = FOLDER / "orders.csv"
    if not path.exists():
        fields = [line.split() for line in _text().splitlines()[1:]]
        assert len(fields) == ORDERS
        lines = ["customer,date,units,dollars", *(",".join(field) for field in fields)]
        _write(path, ("\n".join(lines) + "\n").encode())
    return path


def cdnow_parquet() -> Path:
    """The same with types, as an analyst would keep it: text, day, whole number, number."""
    path = FOLDER / "orders.parquet"
    if not path.exists():
        out = io.BytesIO()
        cdnow_frame().to_parquet(out, index=False)
        _write(path, out.getvalue())
    return path


def cdnow_frame() -> pd.DataFrame:
    """The original read with plain pandas, without crmkit: what the tests compare with."""
    names = ["customer", "date", "units", "dollars"]
    frame = pd.read_csv(io.StringIO(_text()), sep=r"\s+", skiprows=1, names=names, dtype={"customer": str, "date": str})
    frame["date"] = pd.to_datetime(frame["date"], format="%Y%m%d")
    assert len(frame) == ORDERS
    assert frame["customer"].nunique() == CUSTOMERS
    return frame


def _text() -> str:
    package = importlib.util.find_spec("lifetimes")  # finds the folder, imports nothing
    assert package is not None, "the package lifetimes is missing: python tools/environment.py dev"
    assert package.origin is not None
    data = (Path(package.origin).parent / "datasets" / "CDNOW_master.txt").read_bytes()
    assert hashlib.sha256(data).hexdigest() == SHA256, "CDNOW_master.txt is not the file it was"
    return data.decode("ascii")


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: several test runs may share the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".part{hash(data) & 0xFFFF}")
    part.write_bytes(data)
    part.replace(path)


if __name__ == "__main__":
    cdnow_parquet()
    print(cdnow_csv())
