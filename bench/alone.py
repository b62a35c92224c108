"""One measurement in a process of its own, so that it has its own peak of memory."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

LIMIT_SECONDS = 1800


def alone(program: str, *arguments: str) -> dict[str, Any]:
    """What a program prints as JSON in its last line, or `missing` with the reason."""
    try:
        command = [sys.executable, program, *arguments]
        ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=LIMIT_SECONDS)
        return dict(json.loads(ran.stdout.splitlines()[-1]))
    except subprocess.SubprocessError as error:
        said = (getattr(error, "stderr", None) or str(error)).strip()
        return {"missing": said.splitlines()[-1][:200] if said else "ended without a word"}


def peak_mb() -> float:
    """The most memory that this process has had."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage also counts what the process was that started this one
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
