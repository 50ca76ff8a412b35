"""Run a public project's own tests about tasks without and with celery-jobman, and compare.

``python -m tests.projects`` takes pretix as it is installed, and its tests from its release.  It
succeeds when every test that passes without also passes when each task is a job, which takes two
lines.  The exit status is 1 where one does not, and 2 where the tests could not be run.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Final

from tests.conformance.comparison import compare, table
from tests.conformance.outcomes import read

REPOSITORY: Final = Path(__file__).parents[2]
PROJECT: Final = "pretix"
#: Files of its tests whose subject is sent as a task: mails, webhooks, exports, invoices.
FILES: Final = (
    "base/test_export.py",
    "base/test_invoices.py",
    "base/test_mail.py",
    "base/test_notifications.py",
    "base/test_webhooks.py",
    "api/test_exporters.py",
    "api/test_sendmail.py",
    "api/test_webhooks.py",
    "control/test_export.py",
    "control/test_webhooks.py",
)
#: pytest ran the tests to their end.
ANSWERS: Final = frozenset({0, 1})


def main(arguments: list[str]) -> int:
    """Run both sides, print what differs, and return the exit status."""
    asked = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="projects-") as name:
        folder = Path(name)
        try:
            tests = _unpacked(_release(folder), folder)
            before = _run(tests, asked.tests, folder / "without.xml", with_jobs=False)
            after = _run(tests, asked.tests, folder / "with.xml", with_jobs=True)
        except (subprocess.CalledProcessError, tarfile.TarError) as error:
            sys.stderr.write(f"projects: {error}\n")
            return 2
        results = [read(folder / each) for each in ("without.xml", "with.xml")]
    comparison = compare(*results, tests=("",), partial=False)
    sys.stdout.write(f"{table(comparison)}\n")
    sys.stdout.write(f"{PROJECT}: {before:.0f} s of CPU without, {after:.0f} s with\n")
    return 1 if comparison.defects else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.projects", description=__doc__)
    parser.add_argument("tests", nargs="*", default=FILES, help="files of its tests")
    return parser


def _release(folder: Path) -> Path:
    """Return the project's source release: what is installed has no tests in it."""
    version = metadata.version(PROJECT)
    how = ["--quiet", "--no-deps", "--no-build-isolation", "--no-binary", PROJECT]
    command = [sys.executable, "-m", "pip", "download", *how, "--dest", str(folder)]
    subprocess.run([*command, f"{PROJECT}=={version}"], check=True)
    return folder / f"{PROJECT}-{version}.tar.gz"


def _unpacked(archive: Path, folder: Path) -> Path:
    """Unpack the tests alone, and return where: the project is the one that is installed."""
    root = archive.name.removesuffix(".tar.gz")
    with tarfile.open(archive) as file:
        wanted = (f"{root}/src/tests/", f"{root}/src/setup.cfg")
        members = [each for each in file.getmembers() if each.name.startswith(wanted)]
        file.extractall(folder, members, filter="data")
    source = folder / root / "src"
    shutil.copy(Path(__file__).with_name("settings.py"), source / "with_or_without.py")
    return source


def _run(source: Path, files: list[str], results: Path, *, with_jobs: bool) -> float:
    """Run the tests; return how many seconds of CPU that took."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(source), str(REPOSITORY)]),
        "JOBMAN_PROJECTS_WITH_JOBS": str(int(with_jobs)),
    }
    options = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", f"--junitxml={results}"]
    settings = ["--ds", "with_or_without"]
    before = _cpu()
    command = [sys.executable, "-m", "pytest", *(f"tests/{each}" for each in files)]
    status = subprocess.run(
        [*command, *options, *settings], cwd=source, env=environment, check=False
    )
    if status.returncode not in ANSWERS:
        raise subprocess.CalledProcessError(status.returncode, command)
    return _cpu() - before


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
