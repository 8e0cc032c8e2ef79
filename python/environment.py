"""Looks over the Python environment that drivers/local/python-env.ts makes; runs inside it, in the venv's own interpreter.

environment.py heal
    After a pip that was cut off: takes away every package of which a file is missing or differs from what its wheel recorded, so
    that the next pip puts it in again instead of taking it for installed. JSON lines {"event": "removed", "package": …}.
environment.py check [--versions] REQUIREMENTS...
    Each pinned requirement is there in its version, and (not with --versions, which takes no time) the parts that do the work can
    be imported on this machine: a wheel built for another processor cannot. One JSON line {"event": "checked"} or {"event": "problem", "what": …}; status 1 on a problem.
"""

import base64
import csv
import hashlib
import importlib
import importlib.metadata
import json
import os
import pathlib
import re
import shutil
import sys
import sysconfig

# What has to load for the work to be done, by the package that brings it. Packages that are only programs or data have no entry.
IMPORTS = {
    "torch": "torch",
    "transformers": "transformers",
    "trl": "trl",
    "peft": "peft",
    "datasets": "datasets",
    "accelerate": "accelerate",
    "gguf": "gguf",
    "sentencepiece": "sentencepiece",
    "xllamacpp": "xllamacpp",
    "pytest": "pytest",
}
READ_BYTES = 1 << 20


def main(arguments: list[str]) -> int:
    if arguments == ["heal"]:
        heal(pathlib.Path(sysconfig.get_path("purelib")))
        return 0
    if len(arguments) > 1 and arguments[0] == "check":
        files = [pathlib.Path(path) for path in arguments[1:] if path != "--versions"]
        return check(files, imports="--versions" not in arguments)
    print(__doc__, file=sys.stderr)
    return 2


def say(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


def heal(site: pathlib.Path) -> None:
    for leftover in site.glob("~*"):  # what pip had moved aside
        shutil.rmtree(leftover, ignore_errors=True)
    for info in sorted(site.glob("*.dist-info")):
        if not whole(site, info):
            remove(site, info)
            say("removed", package=info.name.removesuffix(".dist-info"))


def whole(site: pathlib.Path, info: pathlib.Path) -> bool:
    # pip writes INSTALLER late and its own RECORD last of all.
    if not (info / "INSTALLER").is_file() or not (info / "METADATA").is_file():
        return False
    return all(matches(site / path, digest, size) for path, digest, size in records(info))


def records(info: pathlib.Path) -> list[tuple[str, str, str]]:
    try:
        with open(info / "RECORD", encoding="utf-8", newline="") as file:
            return [(row[0], row[1], row[2]) for row in csv.reader(file) if len(row) == 3]
    except OSError:
        return [("RECORD-is-missing", "sha256=", "0")]


def matches(path: pathlib.Path, digest: str, size: str) -> bool:
    if not digest:
        return True  # RECORD itself and compiled files have none
    try:
        if path.stat().st_size != int(size):
            return False
        method, _, expected = digest.partition("=")
        found = hashlib.new(method)
        with open(path, "rb") as file:
            while chunk := file.read(READ_BYTES):
                found.update(chunk)
        return base64.urlsafe_b64encode(found.digest()).rstrip(b"=").decode() == expected
    except (OSError, ValueError):
        return False


def remove(site: pathlib.Path, info: pathlib.Path) -> None:
    inside = pathlib.Path(os.path.realpath(sys.prefix))
    for path, _, _ in records(info):
        file = pathlib.Path(os.path.realpath(site / path))
        if file.is_relative_to(inside):
            file.unlink(missing_ok=True)
    shutil.rmtree(info)


def check(requirement_files: list[pathlib.Path], imports: bool) -> int:
    for name, version in pins(requirement_files):
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return problem(f"{name} is not installed.")
        if version is not None and found.partition("+")[0] != version and not matches_prefix(found, version):
            return problem(f"{name} {found} is installed where {version} is asked for.")
    for name, _ in pins(requirement_files):
        module = IMPORTS.get(name)
        if imports and module is not None:
            try:
                importlib.import_module(module)
            except Exception as error:  # whatever a library does while loading, it is not usable here
                return problem(f"{module} cannot be imported: {type(error).__name__}: {error}")
    os.sync()  # the mark that the environment is ready must not reach the disk before the environment
    say("checked")
    return 0


def pins(requirement_files: list[pathlib.Path]) -> list[tuple[str, str | None]]:
    found = []
    for path in requirement_files:
        for line in path.read_text(encoding="utf-8").splitlines():
            match = re.match(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*])?\s*(?:==\s*([^\s;#]+))?", line.strip())
            if match:
                found.append((re.sub(r"[-_.]+", "-", match[1]).lower(), match[2]))
    return found


def matches_prefix(found: str, version: str) -> bool:
    return version.endswith(".*") and (found + ".").startswith(version[:-1])


def problem(what: str) -> int:
    say("problem", what=what)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
