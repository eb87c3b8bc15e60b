"""The state folder: ports, names, secrets, and the lock that lets one command at a time change it."""

import contextlib
import fcntl
import json
import os
import secrets
from pathlib import Path

from . import ports
from .installation import Installation
from .processes import Failure

# Nobody's folder is taken over or removed without this file in it.
MARKER = "local.json"
# epmd and distribution are Erlang's own; the tools find the broker through them.
SERVICES = ("amqp", "database", "epmd", "distribution")


class State:
    """What has to be remembered between two commands."""

    def __init__(self, folder):
        self.folder = Path(folder).absolute()
        self._saved = {}

    @property
    def exists(self):
        """Whether this is a state folder."""
        return (self.folder / MARKER).is_file()

    def open(self):
        """Reads it; an error when it is not there."""
        try:
            self._saved = json.loads((self.folder / MARKER).read_text())
        except FileNotFoundError:
            raise Failure(f"nothing was started in {self.folder} (no {MARKER} in it): run `broker/local start` first") from None
        except ValueError as error:
            raise Failure(f"{self.folder / MARKER} is damaged ({error}): stop what runs in it and remove the folder") from error
        return self

    def create(self, root=None):
        """Makes the folder and its secrets. `root` is the other system whose servers are to run in it from now on, see `Installation`."""
        Installation(root)
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise Failure(f"{self.folder} exists and is not a state folder (no {MARKER} in it): give an empty or a new one")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._saved = {
                "node": f"spot-optimizer-{secrets.token_hex(4)}@localhost",
                "secrets": {name: secrets.token_hex(16) for name in ("broker", "database")},
                "ports": {},
                "root": root,
            }
            self.save()
        except OSError as error:
            raise Failure(f"the state folder cannot be made: {error}") from error
        return self

    def save(self):
        """In one step: a reader sees the old or the new."""
        fresh = self.folder / f"{MARKER}.new"
        self.write_secret(fresh, json.dumps(self._saved, indent=2) + "\n")
        fresh.rename(self.folder / MARKER)

    @contextlib.contextmanager
    def locked(self):
        """Alone with the folder."""
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @property
    def node(self):
        """The broker's Erlang name."""
        return self._saved["node"]

    @property
    def installation(self):
        """Whose servers run here, chosen when the folder was made."""
        return Installation(self._saved.get("root"))

    @property
    def ports(self):
        """Port by service."""
        return self._saved["ports"]

    def secret(self, name):
        """A password."""
        return self._saved["secrets"][name]

    def choose_ports(self, reservation):
        """Keeps the ports it had when all are free, else picks others."""
        if len(self.ports) == len(SERVICES) and all(ports.is_free(port) for port in self.ports.values()):
            return
        self._saved["ports"] = {service: reservation.pick() for service in SERVICES}
        self.save()

    @staticmethod
    def write_secret(path, text, mode=0o600):
        """A file that was never readable for others, not even while it was being written."""
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            file.write(text)
