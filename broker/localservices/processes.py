"""Processes that outlive the command that started them, found again by a file with their id."""

import os
import signal
import subprocess
import time
from pathlib import Path


class Failure(Exception):
    """Something a person can act on; its text is all that is shown."""


def birth(pid):
    """When a process started, in clock ticks since boot, or None when it is gone. Id and birth together name it for good."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    # A zombie has ended; somebody else has yet to take note of it.
    return None if fields[0] in "ZX" else int(fields[19])


def wait_until(condition, seconds):
    """Asks every 20 ms; whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Daemon:
    """One server process. `folder` holds `<name>.pid` and, after a start, `<name>.log` with what it wrote before its own log began."""

    def __init__(self, name, folder):
        self.name = name
        self.pidfile = folder / f"{name}.pid"
        self.log = folder / f"{name}.log"

    def pid(self):
        """Its process id, or None when it does not run."""
        try:
            pid, born = map(int, self.pidfile.read_text().split())
        except (OSError, ValueError):
            return None
        return pid if birth(pid) == born else None

    def start(self, arguments, environment, folder):
        """Starts it in a session of its own, so that an interrupt at the terminal reaches the command and not the server."""
        # The interrupt that would fall between the start and the note of the id waits until both are done.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        try:
            with open(self.log, "wb") as log:
                process = subprocess.Popen(
                    arguments, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True, preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, set()))
            self.pidfile.write_text(f"{process.pid} {birth(process.pid) or 0}\n")
            return process
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def stop(self, grace):
        """Asks it to end, insists after `grace` seconds. Idempotent."""
        pid = self.pid()
        if pid is not None:
            # Asked again each second: Erlang loses a request that comes before its signal handler.
            deadline = time.monotonic() + grace
            while self.pid() is not None and time.monotonic() < deadline:
                os.kill(pid, signal.SIGTERM)
                wait_until(lambda: self.pid() is None, 1)
            if self.pid() is not None:
                os.kill(pid, signal.SIGKILL)
                wait_until(lambda: self.pid() is None, 5)
            try:
                # What it started itself shares its group and has no reason to stay.
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.pidfile.unlink(missing_ok=True)

    def end_of_log(self, lines=20):
        """The last lines it wrote."""
        return tail(self.log, lines)


def tail(path, lines):
    """The last lines of a file, or nothing when it does not exist."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 256 * lines))
            return b"\n".join(file.read().splitlines()[-lines:]).decode(errors="replace")
    except OSError:
        return ""
