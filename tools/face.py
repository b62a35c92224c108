"""Write crmkit/__init__.pyi, which tells editors and type checkers what `crmkit.<name>` is.

    python tools/face.py            write it
    python tools/face.py --check    fail if it is stale

The names are kept once, in `_ROOMS` of crmkit/__init__.py and `ROOMS` of crmkit/metrics/__init__.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import crmkit

STUB = Path(__file__).resolve().parent.parent / "crmkit" / "__init__.pyi"


def stub() -> str:
    """The stub's text: every name imported from its room under its own name."""
    lines = ['"""Written by tools/face.py: what the face of the package offers, and from which room."""', ""]
    lines += [f"from crmkit import {name} as {name}" for name in crmkit._WHOLE]
    for room, names in sorted(crmkit._ROOMS.items()):
        lines += [f"from {room} import {name} as {name}" for name in sorted(names)]
    return "\n".join([*lines, "", "__version__: str", "__all__: list[str]", ""])


def main(arguments: list[str]) -> int:
    """Write the stub, or compare it; 1 if it is stale."""
    if "--check" in arguments:
        fresh = STUB.exists() and STUB.read_text(encoding="utf-8") == stub()
        print("crmkit/__init__.pyi is " + ("up to date" if fresh else "stale: run python tools/face.py"))
        return int(not fresh)
    STUB.write_text(stub(), encoding="utf-8")
    print(f"written: {STUB.name}, {len(crmkit.__all__)} names")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
