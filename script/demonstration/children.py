"""The processes that the demo starts, and the signals that end it. Nothing that was started outlives it."""

import contextlib
import os
import signal
import subprocess
import time

from localservices.processes import wait_until


class Interrupted(BaseException):
    """SIGINT, SIGTERM or SIGHUP came: everything is to be ended."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.number = number


class Interrupts:
    """Turns the first signal into an `Interrupted`. Later ones change nothing: the ending that the first began must not be cut off."""

    def __init__(self):
        self._held = 0
        self._pending = None
        self._ending = False

    def install(self):
        """Before anything is started."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Whoever starts us under nohup wants us to outlive the terminal.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._handle)

    def ignore(self):
        """From here on: the end is under way."""
        self._ending = True

    @contextlib.contextmanager
    def held(self):
        """A signal that comes in here waits: between a process's start and the note of it."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if self._pending is not None and not self._held:
                self._raise(self._pending)

    def _handle(self, number, _frame):
        if self._ending:
            return
        if self._held:
            self._pending = number
        else:
            self._raise(number)

    def _raise(self, number):
        self._ending = True
        raise Interrupted(number)


class Child:
    """One process in a session of its own, so that what it starts itself can be found and a terminal's interrupt reaches the demo alone."""

    def __init__(self, popen, name, stop_signal, grace):
        self.popen = popen
        self.name = name
        self._stop_signal = stop_signal
        self._grace = grace

    @property
    def pid(self):
        """Its process id."""
        return self.popen.pid

    def status(self):
        """Its exit code, the negative number of the signal that ended it, or None while it runs."""
        return self.popen.poll()

    def ask_to_stop(self):
        """Sends it the signal that it ends by."""
        if self.status() is None:
            self.popen.send_signal(self._stop_signal)

    def kill(self):
        """SIGKILL, as a crash would be; returns when it is gone."""
        self.popen.kill()
        self.popen.wait()

    def wait(self, seconds):
        """Its exit code, or None when it still runs after that long."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self, deadline):
        """Waits for it until `deadline` (or as long as its kind may take) and then insists, also on what it left behind."""
        if self.wait(max(0, min(deadline, time.monotonic() + self._grace) - time.monotonic())) is None:
            self.kill()
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream is not None:
                stream.close()
        wait_until(lambda: not kill_session(self.pid), 5)


class Children:
    """Everything that runs for the demo."""

    def __init__(self, interrupts):
        self._interrupts = interrupts
        self._running = []

    def start(self, name, arguments, environment, *, cwd, output, error=subprocess.STDOUT, stdin=subprocess.DEVNULL, on_death="KILL",
              stop_signal=signal.SIGTERM, grace=8):
        """Starts a program. Should the demo be killed, the kernel sends it `on_death`; else it gets `stop_signal` at the end, and has
        `grace` seconds after it."""
        with self._interrupts.held():
            popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", on_death, "--", *map(str, arguments)], env=environment, cwd=cwd, stdin=stdin,
                stdout=output, stderr=error, start_new_session=True)
            child = Child(popen, name, stop_signal, grace)
            self._running.append(child)
        return child

    def run(self, name, arguments, environment, *, cwd):
        """Runs a program to its end: its exit code, standard output and standard error."""
        return self.finish(self.start(
            name, arguments, environment, cwd=cwd, output=subprocess.PIPE, error=subprocess.PIPE, on_death="INT", stop_signal=signal.SIGINT,
            grace=60))

    def finish(self, child):
        """Waits for the end of one that was started with pipes: its exit code, standard output and standard error."""
        out, error = child.popen.communicate()
        self.forget(child)
        return child.status(), out.decode(errors="replace"), error.decode(errors="replace")

    def forget(self, child):
        """It has ended; what it may have left behind ends too."""
        kill_session(child.pid)
        self._running.remove(child)

    def stop_all(self):
        """All at once, so that the slowest alone decides how long it takes."""
        for child in self._running:
            child.ask_to_stop()
        deadline = time.monotonic() + 60
        for child in self._running:
            child.end(deadline)
        self._running.clear()


def kill_session(session):
    """Kills what runs in a session; whether there was something."""
    found = False
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            # State, parent, group, session.
            if int(fields[3]) == session and fields[0] not in "ZX":
                os.kill(int(entry), signal.SIGKILL)
                found = True
        except (OSError, IndexError):
            continue  # It ended while we looked.
    return found
