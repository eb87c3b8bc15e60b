"""From a fresh clone to programs: packages and compilation."""

import os
import re
import signal
import time
from pathlib import Path

from localservices.processes import Failure, tail

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PROGRAMS = ("spot-optimizer-server", "spot-optimizer-agent", "spotctl")
# Without a terminal, a line as often as this says that something still goes on.
REMINDER_SECONDS = 20


def bootstrap(children, screen, state):
    """Installs what is missing."""
    screen.say("script/bootstrap: looking whether a package is missing (it installs those, which takes minutes)")
    log = state.logs / "bootstrap.log"
    status = follow(children, screen, "bootstrap", [REPOSITORY / "script" / "bootstrap"], state, log, "still installing packages")
    if status != 0:
        raise Failure(f"script/bootstrap ended with exit code {status}. It said:\n{tail(log, 30)}")
    lines = tail(log, 200).splitlines()
    for line in (line for line in lines if line.startswith("bootstrap:")):
        screen.quote(line)
    if not lines:
        screen.say("nothing is missing")


def build(children, screen, state):
    """Compiles the programs and returns their folder."""
    cores = len(os.sched_getaffinity(0))
    screen.say(
        f"swift build: compiling server, agent and spotctl on {cores} core{'s' if cores != 1 else ''}, without optimization: that is "
        "built in half the time, and quick enough here. From nothing it takes a minute or two, later seconds")
    started = time.monotonic()
    log = state.logs / "build.log"
    with open(log, "wb"):
        pass
    for program in PROGRAMS:
        status = follow(
            children, screen, "swift build", ["swift", "build", "--product", program], state, log, f"compiling {program}", cwd=REPOSITORY)
        if status != 0:
            raise Failure(f"swift build --product {program} ended with exit code {status}. The end of what it said:\n{tail(log, 30)}")
    status, out, error = children.run(
        "swift build", ["swift", "build", "--show-bin-path"], environment(state), cwd=REPOSITORY)
    if status != 0:
        raise Failure(f"swift build --show-bin-path ended with exit code {status}: {error.strip()}")
    screen.say(f"built after {time.monotonic() - started:.0f} s")
    return Path(out.strip())


def environment(state):
    """The caller's, but for temporary files and the compiler's caches: those stay with us, also when we are cut off."""
    return {**os.environ, "TMPDIR": str(state.temporary), "XDG_CACHE_HOME": str(REPOSITORY / ".build" / "cache")}


def follow(children, screen, name, arguments, state, log, doing, cwd="/"):
    """Runs something long, says from time to time that it goes on, and returns its exit code."""
    with open(log, "ab") as output:
        child = children.start(
            name, arguments, environment(state), cwd=cwd, output=output, on_death="INT", stop_signal=signal.SIGINT, grace=30)
    reminded = started = time.monotonic()
    while (status := child.wait(0.2)) is None:
        text = f"{doing}, {time.monotonic() - started:.0f} s so far{step(log)}"
        if not screen.progress(text) and time.monotonic() - reminded >= REMINDER_SECONDS:
            reminded = time.monotonic()
            screen.say(text)
    children.forget(child)
    return status


def step(log):
    """Where a build stands: `, step 12 of 186`."""
    counts = re.findall(r"\[(\d+)/(\d+)\]", tail(log, 5))
    return f", step {counts[-1][0]} of {counts[-1][1]}" if counts else ""


def check(folder):
    """That the programs are there."""
    missing = [program for program in PROGRAMS if not os.access(folder / program, os.X_OK)]
    if missing:
        raise Failure(
            f"no {' and no '.join(missing)} in {folder}: give the folder that `swift build --show-bin-path` prints, after a build")
    return folder.resolve()
