"""Which servers are run: this machine's, or those of another system that lies in a folder."""

import os
from pathlib import Path

from .processes import Failure


class Installation:
    """`root` is None for this machine's own servers, else the folder of a Debian system with others (`script/compat` makes such folders).
    Those run in a change root, which takes root's rights; in there, /proc, /dev, this repository and the state folder must be mounted where
    they are here."""

    def __init__(self, root=None):
        self.root = Path(root) if root else None
        if self.root is None:
            return
        if os.geteuid() != 0:
            raise Failure(f"servers of another system ({self.root}) can be run by root only")
        if not (self._has("/usr/lib/rabbitmq/bin/rabbitmq-server") and (self._has("/usr/sbin/mariadbd") or self._has("/usr/sbin/mysqld"))):
            raise Failure(f"{self.root} holds no RabbitMQ, or neither MariaDB nor MySQL: let script/compat make such a folder")

    def _has(self, path):
        return (self.root / path.removeprefix("/")).is_file()

    @property
    def is_mysql(self):
        """Whether the database is Oracle's MySQL."""
        # MariaDB has a `mysqld` too.
        return self.root is not None and not self._has("/usr/sbin/mariadbd")

    def command(self, arguments, folder):
        """The words that run a server's program in `folder`; the process that is started becomes the program."""
        words = [str(word) for word in arguments]
        return words if self.root is None else ["chroot", str(self.root), "env", f"--chdir={folder}", *words]
