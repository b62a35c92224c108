"""Make `.venv`: the Python environment of the course (`course`), or of the course and its tests (`dev`).

    python tools/environment.py course
    python tools/environment.py dev
    python tools/environment.py lock      write both requirements files anew from pyproject.toml
    python tools/environment.py wheelhouse FOLDER   gather all that `course` installs, for rooms without a network
    python tools/environment.py course FOLDER       make `.venv` of such a folder, asking nobody outside

Standard library only, and written so that an older Python can read it and go looking for a newer one. Nothing is done
when nothing has changed: the stamp inside `.venv` is written last, so a set-up that was interrupted is never believed,
and the next one starts from nothing.
"""

from __future__ import annotations

import hashlib
import locale
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".crmkit-ready"
UNFINISHED = ROOT / ".build" / "environment-unfinished"  # not inside .venv, which is cleared
UV = "uv==0.13.9"
OLDEST = (3, 11)
LOCKS = {"course": "requirements.lock", "dev": "requirements-dev.lock"}  # dev holds all of course
WORDS = {
    "en": {
        "use": "usage: python tools/environment.py course [FOLDER] | dev | lock | wheelhouse FOLDER",
        "no_python": "Python {oldest} or newer is needed and was not found (this is {found}). Please install it first.",
        "no_venv": "This Python cannot make an environment. On Debian or Ubuntu: apt install python3-venv",
        "make": "1/4 making .venv with Python {version}",
        "uv": "2/4 fetching the installer ({uv})",
        "no_uv": "    the installer cannot be had or does not work here; going on with plain pip, which takes longer",
        "packages": "3/4 installing the packages of {lock} (hashes checked)",
        "self": "4/4 installing crmkit itself",
        "ready": "ready after {seconds:.0f} s: .venv ({level})",
        "already": ".venv is ready ({level})",
        "failed": "Set-up failed here: {command}\nRun the same command again when the cause is mended.",
        "stopped": "Set-up was interrupted. Run the same command again; it starts over where needed.",
        "lock": "resolving {lock}",
        "gather": "gathering the packages of {lock} in {folder} (hashes checked)",
        "gathered": "{files} files, {size:.0f} MB, for machines of this kind ({machine}, Python {version}).\n"
        "Take the folder of the course and this one along. There, without a network:\n"
        "    python tools/environment.py course {folder}",
        "no_folder": "There are no packages in {folder}. Make it where there is a network: "
        "python tools/environment.py wheelhouse FOLDER",
    },
    "ja": {
        "use": "使い方: python tools/environment.py course [フォルダー] | dev | lock | wheelhouse フォルダー",
        "no_python": "Python {oldest} 以上が必要ですが、見つかりません(いまは {found})。先にインストールしてください。",
        "no_venv": "この Python では仮想環境を作れません。Debian / Ubuntu の場合: apt install python3-venv",
        "make": "1/4 Python {version} で .venv を作ります",
        "uv": "2/4 インストーラー({uv})を取得します",
        "no_uv": "    インストーラーを使えないため、pip で続けます(少し時間がかかります)",
        "packages": "3/4 {lock} のパッケージを入れます(ハッシュを確認します)",
        "self": "4/4 crmkit 本体を入れます",
        "ready": "準備ができました({seconds:.0f} 秒): .venv ({level})",
        "already": ".venv は準備できています({level})",
        "failed": "ここで失敗しました: {command}\n原因を直してから、同じコマンドをもう一度実行してください。",
        "stopped": "準備を中断しました。同じコマンドをもう一度実行すると、必要なところからやり直します。",
        "lock": "{lock} を作り直します",
        "gather": "{lock} のパッケージを {folder} に集めます(ハッシュを確認します)",
        "gathered": "{files}個、{size:.0f}MB。同じ種類のパソコン({machine}、Python {version})で使えます。\n"
        "コースのフォルダーとこのフォルダーを持って行き、ネットワークのない場所で次を実行してください。\n"
        "    python tools/environment.py course {folder}",
        "no_folder": "{folder} にパッケージがありません。ネットワークのある所で作ってください: "
        "python tools/environment.py wheelhouse フォルダー",
    },
}


def say(key: str, **values: object) -> None:
    """One line about what is being done, in the reader's language."""
    print(WORDS[language()][key].format(**values), flush=True)


def language() -> str:
    """ "ja" for a Japanese locale, else "en"; `CRMKIT_LANG` wins, as it does in crmkit."""
    names = ("CRMKIT_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    wanted = next((os.environ[name] for name in names if os.environ.get(name)), locale.getlocale()[0] or "")
    return "ja" if wanted.lower().startswith(("ja", "japanese")) else "en"


def scripts() -> Path:
    """The folder of the environment's commands."""
    return VENV / ("Scripts" if os.name == "nt" else "bin")


def python() -> Path:
    """The environment's Python."""
    return scripts() / ("python.exe" if os.name == "nt" else "python")


def main(wanted: str, folder: Path | None = None) -> int:
    """Bring `.venv` to a level, write the locks, or gather the packages; the exit code."""
    begin = time.monotonic()
    try:
        if wanted == "lock":
            lock()
            return 0
        if wanted == "wheelhouse" and folder is not None:
            gather(folder)
            return 0
        if is_ready(wanted):
            say("already", level=wanted)
        elif folder is not None and not any(folder.glob("*.whl")):
            say("no_folder", folder=folder)
            return 1
        else:
            install(wanted, folder)
            say("ready", seconds=time.monotonic() - begin, level=wanted)
    except subprocess.CalledProcessError as error:
        say("failed", command=" ".join(str(part) for part in error.cmd))
        return 1
    except KeyboardInterrupt:
        say("stopped")
        return 130
    return 0


def is_ready(level: str) -> bool:
    """Whether `.venv` already holds this level as the files now ask for it; a dev environment serves the course too."""
    if not STAMP.exists() or not runs(python()):
        return False
    return STAMP.read_text() in {stamp(level), stamp("dev")}


def stamp(level: str) -> str:
    """What a finished set-up depends on, as one line."""
    digest = hashlib.sha256()
    for name in (LOCKS[level], "pyproject.toml", "tools/environment.py"):
        digest.update((ROOT / name).read_bytes())
    digest.update(str(ROOT).encode())  # the editable install points at this very folder
    return f"{level} {digest.hexdigest()}"


def runs(candidate: Path | str) -> bool:
    """Whether this is a Python that starts and is new enough."""
    test = f"import sys; sys.exit(sys.version_info < {OLDEST})"
    try:
        return subprocess.run([str(candidate), "-c", test], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def find_python() -> str:
    """A Python that is new enough: this one, else one on the path."""
    if sys.version_info >= OLDEST:
        return sys.executable
    names = ["python3.13", "python3.12", "python3.11", "python3.14", "python3", "python"]
    for name in names:
        found = shutil.which(name)
        if found and runs(found):
            return found
    say("no_python", oldest=".".join(map(str, OLDEST)), found=".".join(map(str, sys.version_info[:3])))
    raise SystemExit(1)


def install(level: str, folder: Path | None = None) -> None:
    """Make the environment, fill it and stamp it; from a folder of packages, without asking a network."""
    again = UNFINISHED.exists()
    UNFINISHED.parent.mkdir(exist_ok=True)
    UNFINISHED.touch()
    STAMP.unlink(missing_ok=True)
    if again or not runs(python()):
        make()
    lock_file = LOCKS[level]
    with_uv = folder is None and fetch_uv()
    say("packages", lock=lock_file)
    if not (with_uv and uv("--require-hashes", "-r", lock_file)):
        with_uv = False
        pip(*(["--no-index", "--find-links", str(folder)] if folder else []), "--require-hashes", "-r", lock_file)
    say("self")
    itself = ("--no-deps", "--no-build-isolation", "-e", ".")
    if not (with_uv and uv(*itself)):
        pip(*itself)
    whole = STAMP.with_suffix(".new")
    whole.write_text(stamp(level))
    whole.replace(STAMP)
    UNFINISHED.unlink()


def make() -> None:
    """A fresh `.venv`; leftovers of a broken one are cleared."""
    base = find_python()
    if subprocess.run([base, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode:
        say("no_venv")
        raise SystemExit(1)
    asked = subprocess.run([base, "-V"], capture_output=True, text=True, check=True)
    say("make", version=asked.stdout.split()[-1])
    run(base, "-m", "venv", "--clear", VENV)


def fetch_uv() -> bool:
    """Install the pinned uv into the environment; False when it cannot be had."""
    name, _, version = UV.partition("==")
    if any(VENV.rglob(f"site-packages/{name}-{version}.dist-info")):
        return True
    say("uv", uv=UV)
    return _tried(python(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", UV)


def uv(*arguments: str) -> bool:
    """`uv pip install`; False when uv fails, which pip may still mend (other certificates, another index)."""
    # Bytecode is compiled now: where PYTHONDONTWRITEBYTECODE is set, every later import would compile again.
    install = [scripts() / "uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", python()]
    return _tried(*install, *arguments)


def _tried(*command: object) -> bool:
    try:
        run(*command)
    except (OSError, subprocess.CalledProcessError):
        say("no_uv")
        return False
    return True


def pip(*arguments: str) -> None:
    """`pip install`, the slower way."""
    run(python(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments)


def gather(folder: Path) -> None:
    """Everything that `course` installs, and crmkit itself as a wheel, as files for machines like this one."""
    if not is_ready("course"):
        install("course")  # it builds the wheel, with nothing that is not locked
    say("gather", lock=LOCKS["course"], folder=folder)
    folder.mkdir(parents=True, exist_ok=True)
    quiet = ("--quiet", "--disable-pip-version-check")
    downloads = (python(), "-m", "pip", "download", *quiet, "--only-binary", ":all:", "--dest", folder)
    run(*downloads, "--require-hashes", "-r", LOCKS["course"])
    run(python(), "-m", "pip", "wheel", *quiet, "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ".")
    files = list(folder.glob("*.whl"))
    asked = subprocess.run([str(python()), "-V"], capture_output=True, text=True, check=True)
    size = sum(file.stat().st_size for file in files) / 1e6
    version = asked.stdout.split()[-1].rpartition(".")[0]
    say("gathered", files=len(files), size=size, machine=sysconfig.get_platform(), version=version, folder=folder)


def lock() -> None:
    """Resolve both requirements files for every platform, with hashes and without any address.

    Versions in the files are kept where pyproject.toml still allows them; delete the files first to take the newest.
    """
    if not any((scripts() / name).exists() for name in ("uv", "uv.exe")):
        install("dev")
    options = ["--universal", "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-header"]
    extras = {"course": ["--extra", "build"], "dev": ["--extra", "dev", "-c", LOCKS["course"]]}
    for level, name in LOCKS.items():
        say("lock", lock=name)
        run(scripts() / "uv", "pip", "compile", "--quiet", "pyproject.toml", *extras[level], *options, "-o", name)


def run(*command: object) -> None:
    """Run a command in the repository; raise when it fails."""
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True)


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a Windows console may lack the letters
    given = sys.argv[1:]
    alone = len(given) == 1 and given[0] in {*LOCKS, "lock"}
    if not alone and not (len(given) == 2 and given[0] in {"course", "wheelhouse"}):
        say("use")
        raise SystemExit(2)
    raise SystemExit(main(given[0], Path(given[1]).resolve() if len(given) == 2 else None))
