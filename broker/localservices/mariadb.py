"""The private database server: MariaDB, or MySQL where the installation has that instead."""

import os
import shutil
import subprocess

from .processes import Daemon, Failure, tail, wait_until

DATABASE = "spot_optimizer"
USER = "spot_optimizer"
# For tests, which make a database each.
TEST_DATABASES = "spot\\_optimizer\\_test\\_%"


class Database:
    """The database in `<state>/mariadb`. Its socket is named relative to the data folder, because a state folder may be deeper than the
    108 bytes of a socket's path."""

    PORTS = ("database",)

    def __init__(self, state):
        self.state = state
        self.folder = state.folder / "mariadb"
        # A server that starts removes the temporary tables of every other one in its folder for them, so none may share /tmp.
        self.temporary = self.folder / "tmp"
        self.daemon = Daemon("mariadbd", self.folder)
        self.installer = Daemon("mariadb-install", self.folder)

    def prepare(self):
        """The data folder, once, and the files with the passwords, each time."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.temporary.mkdir(mode=0o700, exist_ok=True)
        password = self.state.secret("database")
        # Executed by the server at each start, so that neither a client nor an administrator's password is needed. Its own
        # root keeps to the socket and to whom the kernel says is root.
        self.state.write_secret(self.folder / "init.sql", "\n".join([
            f"CREATE DATABASE IF NOT EXISTS {DATABASE} CHARACTER SET utf8mb4;",
            f"CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{password}';",
            f"GRANT ALL PRIVILEGES ON `{DATABASE}`.* TO '{USER}'@'%';",
            f"GRANT ALL PRIVILEGES ON `{TEST_DATABASES}`.* TO '{USER}'@'%';",
            # A test looks up there what its own connection sent and how many rows that read.
            f"GRANT SELECT ON mysql.slow_log TO '{USER}'@'%';",
        ]) + "\n")
        self.state.write_secret(self.folder / "client.cnf", "\n".join([
            "[client]", "protocol=tcp", "host=127.0.0.1", f"port={self.state.ports['database']}", f"user={USER}",
            f"password={password}", "connect-timeout=5",
        ]) + "\n")
        if (self.folder / "data").exists():
            return
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        status = self._install_mysql(fresh) if self.state.installation.is_mysql else self._install_mariadb(fresh)
        if status != 0:
            raise Failure(f"the database's data folder could not be made:\n{self.end_of_log()}")
        fresh.rename(self.folder / "data")

    def _install_mariadb(self, fresh):
        # The script does not quote the path it is given, so it gets one that has no space, whatever the folder is called. That one leads out of a
        # change root, so there the folder must do without spaces.
        descriptor = os.open(fresh, os.O_RDONLY | os.O_DIRECTORY)
        path = f"/proc/{os.getpid()}/fd/{descriptor}" if self.state.installation.root is None else fresh
        try:
            # Noted like a server, so that a stop finds it, and all it starts, when this command was killed meanwhile.
            return self._run(self.installer, [
                "mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=socket", "--skip-test-db",
                "--skip-name-resolve", f"--datadir={path}", *self._user()]).wait()
        finally:
            self.installer.stop(grace=1)
            os.close(descriptor)

    def _install_mysql(self, fresh):
        try:
            # Its root has no password and is 'root'@'localhost': whoever may open the state folder reaches it by the socket, no address does.
            return self._run(self.installer, [
                "/usr/sbin/mysqld", "--no-defaults", "--initialize-insecure", f"--datadir={fresh}", *self._user()]).wait()
        finally:
            self.installer.stop(grace=1)

    def _user(self):
        # MariaDB refuses to run as root unless told.
        return ["--user=root"] if os.geteuid() == 0 else []

    def _environment(self):
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("MYSQL_", "MARIADB_"))}
        return {**inherited, "TMPDIR": str(self.temporary)}

    def start(self):
        """Starts the server; it is not ready yet."""
        is_mysql = self.state.installation.is_mysql
        self._run(self.daemon, [
            "/usr/sbin/mysqld" if is_mysql else "/usr/sbin/mariadbd", "--no-defaults", *self._user(), f"--datadir={self.folder / 'data'}",
            "--socket=mysqld.sock", "--pid-file=mysqld.pid", "--bind-address=127.0.0.1", f"--port={self.state.ports['database']}",
            "--init-file=" + str(self.folder / "init.sql"), "--log-error=../error.log", "--skip-log-bin", "--skip-name-resolve",
            "--character-set-server=utf8mb4", "--innodb-buffer-pool-size=128M", "--max-connections=500",
            # Only what takes ten seconds, unless a connection asks for more of its own (long_query_time).
            "--slow-query-log=1", "--log-output=TABLE",
            # A second protocol, which would listen on a port that was not reserved.
            *(["--mysqlx=OFF"] if is_mysql else [])])

    def _run(self, daemon, arguments):
        command = self.state.installation.command(arguments, self.state.folder)
        return daemon.start(command, self._environment(), self.state.folder)

    def wait_until_ready(self, seconds=60):
        """Until the server's login works."""
        if wait_until(lambda: self.daemon.pid() is None or self.answers(), seconds) and self.daemon.pid() is not None:
            return
        problem = "ended" if self.daemon.pid() is None else f"does not answer after {seconds} s"
        raise Failure(f"the database {problem}. The end of its log:\n{self.end_of_log()}")

    def answers(self):
        """Whether the server's login works; a few milliseconds."""
        client = subprocess.run(
            ["mariadb", "--defaults-file=mariadb/client.cnf", "--batch", "-e", "SELECT 1", DATABASE],
            cwd=self.state.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return client.returncode == 0

    def stop(self):
        """Until it has ended."""
        self.installer.stop(grace=1)
        self.daemon.stop(grace=30)

    def end_of_log(self, lines=20):
        """The last lines of its log."""
        return tail(self.folder / "error.log", lines) or self.daemon.end_of_log(lines) or self.installer.end_of_log(lines)
