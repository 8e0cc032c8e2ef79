"""Goal: what a cut-off pip left broken is found and taken away, what is whole is kept, and a wrong version is named.
Method: a folder of packages as pip leaves it, with one thing wrong at a time."""

import base64
import hashlib
import shutil
import sys

import pytest

import environment


def install(site, name: str, version: str = "1.0", body: str = "x = 1\n"):
    """A package as pip leaves it: files, metadata, and a RECORD of their hashes."""
    package = site / name
    info = site / f"{name}-{version}.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text(body)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "INSTALLER").write_text("pip\n")
    lines = []
    for path in (package / "__init__.py", info / "METADATA", info / "INSTALLER"):
        digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()
        lines.append(f"{path.relative_to(site)},sha256={digest},{path.stat().st_size}")
    lines += [f"{name}/__pycache__/__init__.cpython-311.pyc,,", f"{info.name}/RECORD,,"]
    (info / "RECORD").write_text("\n".join(lines) + "\n")
    return package, info


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def names(site) -> list[str]:
    return sorted(path.name for path in site.glob("*.dist-info"))


def test_whole_packages_are_kept(site):
    install(site, "alpha")
    install(site, "beta")
    environment.heal(site)
    assert names(site) == ["alpha-1.0.dist-info", "beta-1.0.dist-info"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda package, info: (package / "__init__.py").unlink(),
        lambda package, info: (package / "__init__.py").write_text("x = 2\n"),
        lambda package, info: (package / "__init__.py").write_text(""),
        lambda package, info: (info / "RECORD").unlink(),
        lambda package, info: (info / "INSTALLER").unlink(),
        lambda package, info: (info / "METADATA").unlink(),
    ],
    ids=["file missing", "file differs", "file empty", "no record", "no installer", "no metadata"],
)
def test_a_damaged_package_is_taken_away_and_only_that(site, capsys, damage):
    package, info = install(site, "alpha")
    install(site, "beta")
    damage(package, info)
    environment.heal(site)
    assert names(site) == ["beta-1.0.dist-info"]
    assert '"package": "alpha-1.0"' in capsys.readouterr().out


def test_nothing_outside_the_environment_is_touched(tmp_path, monkeypatch):
    inside = tmp_path / "inside"
    outside = tmp_path / "outside.txt"
    outside.write_text("keep me")
    monkeypatch.setattr(sys, "prefix", str(inside))
    _, info = install(inside, "alpha")
    with open(info / "RECORD", "a") as record:
        record.write("../outside.txt,sha256=AAAA,7\n")
    environment.heal(inside)
    assert names(inside) == []
    assert outside.read_text() == "keep me"


def test_what_pip_had_moved_aside_is_removed(site):
    install(site, "alpha")
    shutil.copytree(site / "alpha", site / "~lpha")
    environment.heal(site)
    assert not (site / "~lpha").exists()


def check(site, requirements: str, capsys, imports: bool = True) -> tuple[int, str]:
    path = site / "requirements.txt"
    path.write_text(requirements)
    return environment.check([path], imports=imports), capsys.readouterr().out


def test_pinned_versions_are_compared(site, capsys):
    install(site, "alpha", "1.4.2")
    assert check(site, "# a remark\nalpha==1.4.2\n", capsys)[0] == 0
    assert check(site, "alpha==1.4.*\n--no-index\n", capsys)[0] == 0
    assert check(site, "Alpha\n", capsys)[0] == 0
    assert check(site, "alpha==1.5.0\n", capsys) == (
        1,
        '{"event": "problem", "what": "alpha 1.4.2 is installed where 1.5.0 is asked for."}\n',
    )
    assert "beta is not installed" in check(site, "beta==1.0\n", capsys)[1]


def test_a_part_that_cannot_be_loaded_here_is_a_problem(site, capsys, monkeypatch):
    install(site, "alpha", body="raise OSError('wrong processor')\n")
    monkeypatch.setitem(environment.IMPORTS, "alpha", "alpha")
    status, said = check(site, "alpha==1.0\n", capsys)
    assert status == 1
    assert "alpha cannot be imported: OSError: wrong processor" in said
    assert check(site, "alpha==1.0\n", capsys, imports=False)[0] == 0
