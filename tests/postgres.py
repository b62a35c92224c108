"""A PostgreSQL server for the tests: made in a temporary folder, on this computer only, gone when they end."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PLACES = "/usr/lib/postgresql/*/bin"
USER, PASSWORD = "shop", "geheim@東京/1"
WRITTEN = "geheim%40%E6%9D%B1%E4%BA%AC%2F1"  # the password as it stands in an address


@dataclass(frozen=True)
class Server:
    """A running server; `psql` fills its database `crm`."""

    bin: Path
    port: int
    folder: Path

    def url(self, *, user: str = USER, password: str = WRITTEN, database: str = "crm") -> str:
        """An address with a password."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def psql(self, sql: str) -> str:
        """Run some SQL; what it answers, as it stands."""
        command = [self.bin / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.url()]
        ran = subprocess.run(command, check=False, input=sql, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()


def binaries() -> Path:
    """Where PostgreSQL's programs are; without them the tests fail and say what to install."""
    found = sorted(Path("/").glob(PLACES[1:]), key=lambda place: int(place.parent.name.split(".")[0]))
    on_path = shutil.which("initdb")
    places = [*([Path(on_path).resolve().parent] if on_path else []), *reversed(found)]
    usable = [place for place in places if all((place / name).exists() for name in ("initdb", "pg_ctl", "psql"))]
    assert usable, f"no PostgreSQL server in {PLACES} or on the PATH. Debian and Ubuntu: apt-get install postgresql"
    return usable[0]


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """Start a server of its own and stop it afterwards."""
    programs = binaries()
    with tempfile.TemporaryDirectory(prefix="crmkit-pg-", dir="/tmp") as made:  # sockets want a short path
        folder, port = Path(made), _free_port()
        (folder / "password").write_text(PASSWORD, encoding="utf-8")
        _give_away(folder)
        _run(programs / "initdb", "-D", folder / "data", "-U", USER, "--pwfile", folder / "password",
             "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync")  # fmt: skip
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off -c max_connections=20"
        log = folder / "log"
        _run(programs / "pg_ctl", "-D", folder / "data", "-l", log, "-w", "-t", "60", "-o", options, "start")
        try:
            server = Server(programs, port, folder)
            subprocess.run(
                [programs / "createdb", "--maintenance-db", server.url(database="postgres"), "crm"],
                check=True, capture_output=True, timeout=60,
            )  # fmt: skip
            yield server
        finally:  # by the process id that the data folder names
            _run(programs / "pg_ctl", "-D", folder / "data", "-w", "-m", "immediate", "stop")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _owner() -> pwd.struct_passwd | None:
    """Whom the server runs as where the tests run as root, which initdb refuses."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise AssertionError("initdb refuses to run as root, and there is neither a user 'postgres' nor 'nobody'")


def _give_away(folder: Path) -> None:
    if owner := _owner():
        for path in (folder, *folder.iterdir()):
            os.chown(path, owner.pw_uid, owner.pw_gid)


def _run(*command: object) -> None:
    owner = _owner()
    who = {} if owner is None else {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "HOME": "/tmp"}
    # into a file, not a pipe: the server would keep the pipe open
    with tempfile.TemporaryFile() as said:
        ran = subprocess.run(
            [str(part) for part in command],
            check=False, stdout=said, stderr=said, cwd="/tmp", env=environment, timeout=120, **who,
        )  # fmt: skip
        said.seek(0)
        assert ran.returncode == 0, said.read().decode(errors="replace")
