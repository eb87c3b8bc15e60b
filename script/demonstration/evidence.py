"""Where the demo looks to see whether something really happened: the database, the broker, the programs' logs."""

import os
import select
import subprocess
import time
from pathlib import Path

from localservices import amqp


class Unanswered(Exception):
    """Database or broker did not answer; the text says what they said instead."""


def quoted(text):
    """A text as SQL has it."""
    return "'" + str(text).replace("\\", "\\\\").replace("'", "''") + "'"


class Database:
    """One session of the database's own client, kept open so that a look takes a millisecond."""

    _END = "-- end of the answer --"

    def __init__(self, children, services):
        self._child = children.start(
            "database client",
            ["mariadb", "--defaults-file=mariadb/client.cnf", "--batch", "--skip-column-names", "--unbuffered", "spot_optimizer"],
            dict(os.environ), cwd=services, output=subprocess.PIPE, stdin=subprocess.PIPE)
        self._pending = b""

    def rows(self, statement):
        """The rows of one statement, each a list of texts, None for NULL."""
        try:
            self._child.popen.stdin.write(f"{statement};\nSELECT '{self._END}';\n".encode())
            self._child.popen.stdin.flush()
        except OSError as error:
            raise Unanswered(f"the database's client has ended: {error}") from error
        rows = []
        while (line := self._line()) != self._END:
            rows.append([None if cell == "NULL" else cell for cell in line.split("\t")])
        return rows

    def value(self, statement):
        """The first cell, or None."""
        rows = self.rows(statement)
        return rows[0][0] if rows else None

    def _line(self):
        deadline = time.monotonic() + 30
        while b"\n" not in self._pending:
            ready, _, _ = select.select([self._child.popen.stdout], [], [], max(0, deadline - time.monotonic()))
            part = os.read(self._child.popen.stdout.fileno(), 65536) if ready else b""
            if not part:
                said = self._pending.decode(errors="replace").strip()
                raise Unanswered(f"the database {'has no answer after 30 s' if not ready else 'ended the session'} {said}".strip())
            self._pending += part
        line, _, self._pending = self._pending.partition(b"\n")
        text = line.decode(errors="replace")
        if text.startswith("ERROR "):
            raise Unanswered(f"the database says: {text}")
        return text


class Queues:
    """How long the broker's queues are, asked over AMQP with the server's login."""

    def __init__(self, environment):
        self._login = (
            environment["AMQP_HOST"], int(environment["AMQP_PORT"]), environment["AMQP_VHOST"], environment["AMQP_USER"],
            environment["AMQP_PASSWORD"])
        self._connection = None

    def depth(self, name):
        """How many messages wait in it, or None when there is no such queue."""
        try:
            if self._connection is None:
                self._connection = amqp.Connection(*self._login)
            return self._connection.require_queue(name)
        except (OSError, amqp.Refused) as error:
            # Whatever it was, this connection's channel is closed now.
            self._connection = None
            if isinstance(error, amqp.Refused) and error.code == 404:
                return None
            raise Unanswered(f"the broker did not tell the length of {name}: {error}") from error

    def close(self):
        """Says goodbye."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Log:
    """What a program writes: a file that we only read. It may be started several times; each goes on where the one before ended."""

    def __init__(self, path):
        self.path = Path(path)

    def mark(self):
        """A place to read from later."""
        return self.path.stat().st_size if self.path.exists() else 0

    def lines(self, mark=0):
        """The whole lines from there on."""
        if not self.path.exists():
            return []
        with open(self.path, "rb") as file:
            file.seek(mark)
            text = file.read().decode(errors="replace")
        return text[: text.rfind("\n") + 1].splitlines()

    def find(self, *parts, mark=0):
        """The first line that has all of these, or None."""
        return next((line for line in self.lines(mark) if all(part in line for part in parts)), None)
