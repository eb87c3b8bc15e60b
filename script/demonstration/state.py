"""The demo's folder: everything it writes, and the lock that makes it the only one there."""

import fcntl
import json
import os
import shutil
import time
from pathlib import Path

from localservices.processes import Failure

# Nobody's folder is taken over without this file in it. A running demo holds a lock on it.
MARKER = "demo.lock"
# What `--env` prints; there while a demo can be talked to.
ENVIRONMENT = "environment.json"


class State:
    """`.local/demo`: `services` is broker/local's, `agents` has a folder for each agent, `logs` stays for who wants to read on."""

    def __init__(self, folder):
        self.folder = Path(folder).absolute()
        self.services = self.folder / "services"
        self.agents = self.folder / "agents"
        self.logs = self.folder / "logs"
        self.temporary = self.folder / "tmp"
        self.commands = self.folder / "commands"
        self.broken = self.folder / "broken"
        self._lock = None

    def take(self):
        """Makes the folder ours, with nothing of an earlier demo in it but its services, which are stopped by their own tool."""
        try:
            if self.folder.exists() and not (self.folder / MARKER).exists() and any(self.folder.iterdir()):
                raise Failure(f"{self.folder} exists and is not a demo's folder (no {MARKER} in it): give an empty or a new one")
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = open(os.open(self.folder / MARKER, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        except OSError as error:
            raise Failure(f"the demo's folder cannot be made: {error}") from error
        # For a moment `--env` holds it too.
        deadline = time.monotonic() + 1
        while not self._try_lock(fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                holder = self._lock.read().strip()
                self._lock.close()
                self._lock = None
                return holder or "unknown"
            time.sleep(0.05)
        self._lock.truncate(0)
        self._lock.write(f"{os.getpid()}\n")
        self._lock.flush()
        self.forget()
        shutil.rmtree(self.logs, ignore_errors=True)
        for folder in (self.agents, self.logs, self.temporary):
            folder.mkdir(mode=0o700)
        return None

    @property
    def is_ours(self):
        """Whether this process took it."""
        return self._lock is not None

    def is_held(self):
        """Whether some demo runs in it."""
        try:
            self._lock = open(self.folder / MARKER)
        except FileNotFoundError:
            return False
        try:
            return not self._try_lock(fcntl.LOCK_SH)
        finally:
            self._lock.close()
            self._lock = None

    def _try_lock(self, kind):
        try:
            fcntl.flock(self._lock, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False

    def publish(self, variables):
        """Tells `--env`."""
        fresh = self.folder / f"{ENVIRONMENT}.new"
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(variables, file)
        fresh.rename(self.folder / ENVIRONMENT)

    def published(self):
        """What a running demo told, or None while it is starting."""
        try:
            return json.loads((self.folder / ENVIRONMENT).read_text())
        except FileNotFoundError:
            return None

    def keep_logs_of_services(self):
        """Beside ours, before their folder goes."""
        for name in ("rabbitmq/broker.log", "mariadb/error.log"):
            if (self.services / name).is_file():
                shutil.copyfile(self.services / name, self.logs / name.replace("/", "-"))

    def forget(self):
        """Removes what is of no use after the end, secrets first."""
        (self.folder / ENVIRONMENT).unlink(missing_ok=True)
        for folder in (self.agents, self.temporary, self.commands, self.broken):
            # The commands' folder may lie elsewhere, behind a link.
            shutil.rmtree(folder.resolve(), ignore_errors=True)
            if folder.is_symlink():
                folder.unlink()
