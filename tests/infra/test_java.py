from pathlib import Path

import pytest

from headrace.errors import LocalStackFailed
from infra.local import java


def home(folder: Path, version: str | None, *, says: str = "") -> Path:
    """A Java home that names its version in its release file, or only when it is run."""
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin/java"
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    program.chmod(0o755)
    if version:
        (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return folder


def test_java_home_wins_over_the_path_and_the_installed_ones(tmp_path: Path) -> None:
    named = home(tmp_path / "named", "21.0.2")
    on_path = home(tmp_path / "path", "17.0.1")
    home(tmp_path / "jvm/a", "17")
    environ = {"JAVA_HOME": str(named), "PATH": str(on_path / "bin")}
    assert java.find(environ, installed=tmp_path / "jvm") == (named, 21)
    assert java.find({"PATH": environ["PATH"]}, installed=tmp_path / "jvm") == (on_path, 17)


def test_a_java_of_the_wrong_version_is_passed_over(tmp_path: Path) -> None:
    named = home(tmp_path / "named", "25.0.1")
    fitting = home(tmp_path / "jvm/b", "17.0.15")
    home(tmp_path / "jvm/a", "11.0.2")
    found = java.find({"JAVA_HOME": str(named), "PATH": ""}, installed=tmp_path / "jvm")
    assert found == (fitting, 17)


@pytest.mark.parametrize(
    ("says", "version"), [('openjdk version "17.0.15" 2025-04-15', 17), ('java version "1.8.0_392"', 8)]
)
def test_a_java_without_a_release_file_is_asked(tmp_path: Path, says: str, version: int) -> None:
    asked = home(tmp_path / "old", None, says=says)
    assert java._version(asked) == version


def test_only_wrong_ones_are_named_in_one_sentence_with_the_remedy(tmp_path: Path) -> None:
    named = home(tmp_path / "named", "25")
    home(tmp_path / "jvm/eight", "1.8.0_392")
    with pytest.raises(LocalStackFailed) as error:
        java.find({"JAVA_HOME": str(named), "PATH": ""}, installed=tmp_path / "jvm")
    text = str(error.value)
    assert "17 or 21" in text
    assert "Java 25 (JAVA_HOME)" in text
    assert "Java 8 (" in text
    assert "apt-get install" in text
    assert "\n" not in text


def test_none_at_all_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(LocalStackFailed, match="none was found"):
        java.find({"PATH": "", "JAVA_HOME": str(tmp_path / "nowhere")}, installed=tmp_path / "jvm")
