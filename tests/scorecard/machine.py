"""What the rows of the scorecard run on: builds, servers, other clients, and how a command is run and ends."""

import os
import platform
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as tree
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "build" / "scorecard"
VENV = KEPT / "venv"
PROGRAMS = ROOT / "build" / "release" / "tests" / "scorecard"
PYTHON = VENV / "bin" / "python"


@dataclass(frozen=True)
class Outcome:
    verdict: str  # "holds", "short", "not run"
    figure: str


@dataclass(frozen=True)
class Run:
    row: str
    client: str
    seconds: int
    long: bool = False

    @property
    def log(self):
        return KEPT / f"{self.row}.{self.client}.log"


@dataclass(frozen=True)
class Ended:
    status: int  # below 0: the signal; None: it did not end in time
    output: str


def environment(client="threads", **more):
    """That of a command: without a server of the caller's, as faults are for private ones."""
    kept = {name: value for name, value in os.environ.items() if name not in ("MONGODB_URI", "MOUV_SANDBOX")}
    return {**kept, "MOUV": str(ROOT / "build/release/mouv"), "MOUV_EXECUTOR": client, "MONGOC_DISABLE_SHM": "1", **more}


def run(how, command, limit_s, **variables):
    """Runs it in a process group of its own, which is ended with it; what it prints goes into the row's log too."""
    executor = how.client if how.client in ("threads", "loop") else "threads"
    process = subprocess.Popen([str(word) for word in command], cwd=ROOT, env=environment(executor, **variables),
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, status = process.communicate(timeout=limit_s)[0], process.returncode
    except subprocess.TimeoutExpired:
        output, status = end(process), None
    text = output.decode(errors="replace")
    with how.log.open("a") as log:
        log.write(f"$ {' '.join(map(str, command))}\n{text}\n")
    return Ended(status, text)


def end(process):
    """In order first: a sandbox takes its servers with it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        os.killpg(process.pid, number)
        try:
            return process.communicate(timeout=20)[0]
        except subprocess.TimeoutExpired:
            pass
    return b""


def sandbox(*options):
    return [ROOT / "build/release/mouv", "sandbox", *options, "--"]


# --- what is built and fetched ------------------------------------------------------------------
def must(command, why):
    if subprocess.run([str(word) for word in command], cwd=ROOT, stdout=sys.stderr, check=False).returncode != 0:
        sys.exit(f"scorecard: {why}")


def build(preset):
    """Only what has changed; a preset whose cache is there is not configured anew."""
    if not (ROOT / "build" / preset / "build.ninja").exists():
        must(["cmake", "--preset", preset], f"cmake --preset {preset} failed")
    must(["cmake", "--build", "--preset", preset], f"the preset {preset} does not build")


def prepare():
    KEPT.mkdir(parents=True, exist_ok=True)
    must(["scripts/setup", "build", "mongod", "test", "scorecard"], "what is needed could not be installed")
    mongod = subprocess.run(["scripts/mongod"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if mongod.returncode != 0:
        sys.exit("scorecard: there is no mongod")
    os.environ.setdefault("MOUV_MONGOD", mongod.stdout.strip())
    build("release")


def pymongo():
    """Whether there is a Python with PyMongo; fetches it once."""
    if subprocess.run([str(PYTHON), "-c", "import pymongo"], check=False, stderr=subprocess.DEVNULL).returncode == 0 \
            if PYTHON.exists() else False:
        return True
    for command in ([sys.executable, "-m", "venv", VENV], [PYTHON, "-m", "pip", "install", "--quiet", "pymongo>=4.13"]):
        if subprocess.run([str(word) for word in command], check=False, stdout=sys.stderr).returncode != 0:
            return False
    return True


# --- versions ------------------------------------------------------------------------------------
def output_of(*command):
    try:
        return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              check=False, cwd=ROOT).stdout.strip()
    except OSError:
        return ""


def versions():
    """In one line: what was measured, and on what."""
    header = (ROOT / "include/mouv/base.h").read_text()
    mouv = re.search(r'#define MOUV_VERSION "(.*)"', header)[1]
    commit = output_of("git", "rev-parse", "--short", "HEAD")
    mongod = re.search(r"v([\d.]+)", output_of(os.environ.get("MOUV_MONGOD", "mongod"), "--version"))
    driver = output_of("pkg-config", "--modversion", "mongoc2") or output_of("pkg-config", "--modversion", "libmongoc-1.0")
    python = output_of(PYTHON, "-c", "import pymongo; print(pymongo.version)")
    found = [f"mouv {mouv}" + (f" ({commit})" if commit else ""), f"libmongoc {driver}",
             f"PyMongo {python}" if python else "", f"MongoDB {mongod[1]}" if mongod else "",
             f"{platform.machine()}, {os.cpu_count()} processors"]
    return ", ".join(part for part in found if part)


# --- ctest ----------------------------------------------------------------------------------------
def without_aslr():
    """ThreadSanitizer of gcc 12 cannot place its shadow where the kernel randomises addresses widely."""
    words = ["setarch", platform.machine(), "-R"]
    return words if subprocess.run([*words, "true"], check=False, stderr=subprocess.DEVNULL).returncode == 0 else []


def ctest(how, preset, *arguments, limit_s):
    """An Outcome of those cases of CTest."""
    report = KEPT / f"{how.row}.{how.client}.xml"
    report.unlink(missing_ok=True)
    build(preset)
    wrapper = without_aslr() if preset == "tsan" else []
    ended = run(how, [*wrapper, "ctest", "--preset", preset, "--no-tests=error", "--output-junit", report,
                        "--test-output-size-passed", "1000000", *arguments], limit_s)
    if not report.exists():
        return Outcome("not run", "it did not end" if ended.status is None else ended.output.strip().splitlines()[-1])
    return judge(tree.parse(report).getroot())


def judge(suite):
    """What CTest's report says; a cmocka program has several cases, which are counted."""
    states = {"run": [], "fail": [], "notrun": []}
    cases = 0
    for case in suite.iter("testcase"):
        states.setdefault(case.get("status"), []).append(case.get("name"))
        cases += sum(int(count) for count in re.findall(r"\[  PASSED  \] (\d+) test", case.findtext("system-out") or ""))
    figure = f"{len(states['run'])} programs, {cases} cases passed"
    if states["notrun"]:
        figure += f"; skipped: {', '.join(states['notrun'])}"
    if states["fail"]:
        return Outcome("short", f"{figure}; failed: {', '.join(states['fail'])}")
    return Outcome("holds" if states["run"] else "not run", figure)
