import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.errors import DeploymentFailed
from infra.deployment import cdk_cli
from infra.deployment.cdk_cli import LOCKED, CdkCli, install


@pytest.fixture
def said() -> list[str]:
    return []


def cli(tmp_path: Path, said: list[str], program: str) -> CdkCli:
    """One whose program is given: plain JavaScript."""
    path = tmp_path / "program.js"
    path.write_text(program)
    return CdkCli(
        path, tmp_path / "home", dict(os.environ), said.append, lambda text: text.replace("123", "***")
    )


def test_the_lock_pins_the_cli_by_its_hash_and_names_no_registry() -> None:
    package, lock = (json.loads(path.read_text()) for path in LOCKED)
    pinned = package["devDependencies"]["aws-cdk"]
    locked = lock["packages"]["node_modules/aws-cdk"]
    assert locked["version"] == pinned
    assert locked["integrity"].startswith("sha512-")
    assert not [path for path in LOCKED if re.search("https?://", path.read_text())]


def test_it_is_installed_once_and_runs_on_the_node_beside_it(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = install(os.environ)
    pinned = json.loads(LOCKED[0].read_text())["devDependencies"]["aws-cdk"]
    CdkCli(program, tmp_path, {"PATH": "/usr/bin:/bin"}, said.append).run("--version")
    assert said[0].startswith(pinned)
    monkeypatch.setattr(cdk_cli, "_NPM", Path("/no/such/npm"))
    assert install(os.environ) == program


def test_an_installation_that_fails_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cdk_cli, "_NPM", Path("/no/such/npm"))
    with pytest.raises(DeploymentFailed, match="cannot be installed"):
        install(os.environ, tmp_path / "build")
    assert list((tmp_path / "build").iterdir()) == []


def test_what_it_says_is_shown_line_by_line_and_hidden_where_it_must_be(
    tmp_path: Path, said: list[str]
) -> None:
    cli(tmp_path, said, "console.log('account 123'); console.log(''); console.error('two')").run("deploy")
    assert said == ["account ***", "two"]


def test_a_failure_tells_its_last_words_hidden_too(tmp_path: Path, said: list[str]) -> None:
    with pytest.raises(DeploymentFailed, match=r"`cdk deploy` failed \(exit code 3\):\n  stack 123"):
        CdkCli(
            cli(tmp_path, said, "console.log('stack 123'); process.exit(3)").program,
            tmp_path,
            dict(os.environ),
            said.append,
        ).run("deploy")
    with pytest.raises(DeploymentFailed, match=r"stack \*\*\*"):
        cli(tmp_path, said, "console.log('stack 123'); process.exit(3)").run("deploy")


def test_it_is_told_to_be_quiet_and_where_its_own_folder_is(tmp_path: Path, said: list[str]) -> None:
    shown = "for (const name of ['CDK_DISABLE_CLI_TELEMETRY', 'CDK_HOME'])"
    cli(
        tmp_path, said, f"{shown} console.log(process.env[name]); console.log(process.argv.slice(2).join())"
    ).run("x")
    assert said == ["true", str(tmp_path / "home"), "x,--ci,--no-notices,--no-color"]


def test_each_start_takes_the_credentials_of_that_moment(tmp_path: Path, said: list[str]) -> None:
    keys = iter("ab")
    shown = cli(tmp_path, said, "console.log(process.env.AWS_ACCESS_KEY_ID)")
    fresh = replace(
        shown,
        environ={**os.environ, "AWS_ACCESS_KEY_ID": "old"},
        credentials=lambda: {"AWS_ACCESS_KEY_ID": next(keys)},
    )
    fresh.run("x")
    fresh.run("x")
    assert said == ["a", "b"]


def test_an_interruption_ends_it_and_goes_on(tmp_path: Path) -> None:
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    program = tmp_path / "program.js"
    ended = tmp_path / "ended"
    program.write_text(
        f"const end = () => {{ require('fs').writeFileSync({str(ended)!r}, ''); process.exit(1) }};"
        "process.on('SIGTERM', end);"
        "setInterval(() => {}, 1000); console.log('at work')"
    )
    with pytest.raises(KeyboardInterrupt):
        CdkCli(program, tmp_path, dict(os.environ), interrupted).run("deploy")
    assert ended.exists()
