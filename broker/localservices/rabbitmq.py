"""The private broker and its port mapper."""

import base64
import hashlib
import json
import os
import secrets
import shutil
import subprocess
from pathlib import Path

from . import amqp
from .processes import Daemon, Failure, tail, wait_until

# Those in /usr/sbin would switch to the system's user and cookie.
PROGRAMS = Path("/usr/lib/rabbitmq/bin")
# What `docker-compose.yml` mounts, too.
SHARED = Path(__file__).resolve().parent.parent
VHOST = "spot-optimizer"
USER = "spot-optimizer-server"


class Broker:
    """RabbitMQ in `<state>/rabbitmq`. Paths inside configuration files are relative to the state folder, the broker's working
    directory, because the format has no way to quote one."""

    PORTS = ("amqp", "distribution", "epmd")

    def __init__(self, state):
        self.state = state
        self.folder = state.folder / "rabbitmq"
        self.epmd = Daemon("epmd", self.folder)
        self.daemon = Daemon("rabbitmq", self.folder)

    def prepare(self):
        """Cookie, signing key, configuration and definitions."""
        for folder in (self.folder, self.folder / "home", self.folder / "conf.d", self.folder / "definitions"):
            folder.mkdir(mode=0o700, exist_ok=True)
        cookie = self.folder / "home" / ".erlang.cookie"
        if not cookie.exists():
            self.state.write_secret(cookie, secrets.token_hex(24), mode=0o400)
        self._make_signing_key()
        keys = [f"auth_oauth2.signing_keys.{name} = keys/{path.name}" for name, path in self.public_keys()]
        (self.folder / "conf.d" / "90-local.conf").write_text("\n".join([
            f"listeners.tcp.1 = 127.0.0.1:{self.state.ports['amqp']}",
            *keys,
            "load_definitions = rabbitmq/definitions",
            # A laptop or a build machine with little room must do for trying things out.
            "disk_free_limit.absolute = 200MB",
        ]) + "\n")
        shutil.copyfile(SHARED / "definitions.json", self.folder / "definitions" / "10-topology.json")
        self.state.write_secret(self.folder / "definitions" / "20-users.json", json.dumps(self._users()))

    def _make_signing_key(self):
        keys = self.state.folder / "keys"
        keys.mkdir(mode=0o700, exist_ok=True)
        if any(keys.glob("*.public.pem")):
            return
        private, public = keys / "local-1.private.pem", keys / "local-1.public.pem"
        environment = {**os.environ, "OPENSSL_CONF": "/dev/null"}
        previous = os.umask(0o077)
        try:
            for arguments in (
                ["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", private],
                ["pkey", "-in", private, "-pubout", "-out", public],
            ):
                subprocess.run(["openssl", *arguments], check=True, env=environment, stdin=subprocess.DEVNULL, capture_output=True)
        except subprocess.CalledProcessError as error:
            raise Failure(f"openssl could not make the signing key: {error.stderr.decode(errors='replace').strip()}") from error
        finally:
            os.umask(previous)
        public.chmod(0o644)

    def public_keys(self):
        """Key id and file of every key that may sign credentials."""
        return [(path.name.removesuffix(".public.pem"), path) for path in sorted((self.state.folder / "keys").glob("*.public.pem"))]

    def _users(self):
        salt = secrets.token_bytes(4)
        digest = hashlib.sha256(salt + self.state.secret("broker").encode()).digest()
        return {
            "users": [{
                "name": USER, "password_hash": base64.b64encode(salt + digest).decode(),
                "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": "",
            }],
            "permissions": [{"user": USER, "vhost": VHOST, "configure": ".*", "write": ".*", "read": ".*"}],
        }

    def environment(self):
        """For the broker and for its command line tools."""
        inherited = {
            key: value for key, value in os.environ.items()
            if not key.startswith(("RABBITMQ_", "ERL_", "ERLANG_")) and key not in ("NOTIFY_SOCKET", "CONF_ENV_FILE")
        }
        own = {
            "HOME": self.folder / "home",
            "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
            "RABBITMQ_NODENAME": self.state.node,
            "RABBITMQ_DIST_PORT": self.state.ports["distribution"],
            "RABBITMQ_MNESIA_BASE": self.folder / "data",
            "RABBITMQ_LOG_BASE": self.folder,
            "RABBITMQ_LOGS": self.folder / "broker.log",
            "RABBITMQ_CONFIG_FILE": SHARED / "rabbitmq.conf",
            "RABBITMQ_CONFIG_FILES": self.folder / "conf.d",
            "RABBITMQ_ADVANCED_CONFIG_FILE": self.folder / "advanced.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": SHARED / "enabled_plugins",
            "RABBITMQ_CONF_ENV_FILE": self.folder / "no-rabbitmq-env.conf",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": self.state.ports["epmd"],
            # Every Erlang program of ours: listen on loopback only, and never start an epmd that would outlive us.
            "ERL_AFLAGS": "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false",
            # The script becomes the broker instead of waiting for it, so that the process id is the broker's.
            "detached": "true",
        }
        return {**inherited, **{key: str(value) for key, value in own.items()}}

    def start(self):
        """Starts port mapper and broker; it is not ready yet."""
        environment = self.environment()
        if self.epmd.pid() is None:
            self._run(self.epmd, ["epmd", "-address", "127.0.0.1", "-port", self.state.ports["epmd"]], environment)
        self._run(self.daemon, [PROGRAMS / "rabbitmq-server"], environment)

    def _run(self, daemon, arguments, environment):
        daemon.start(self.state.installation.command(arguments, self.state.folder), environment, self.state.folder)

    def wait_until_ready(self, seconds=90):
        """Until the server's login works and the last of the definitions is there."""
        if wait_until(lambda: self.daemon.pid() is None or self.answers(), seconds) and self.daemon.pid() is not None:
            return
        problem = "ended" if self.daemon.pid() is None else f"is not ready after {seconds} s"
        raise Failure(f"the broker {problem}. The end of its log:\n{self.end_of_log()}")

    def answers(self):
        """Whether the server's login works and the topology is in; a few milliseconds."""
        try:
            connection = amqp.Connection("127.0.0.1", self.state.ports["amqp"], VHOST, USER, self.state.secret("broker"))
            connection.require_queue("fleet.dead-letters")
            connection.close()
            return True
        except (OSError, amqp.Refused):
            return False

    def stop(self):
        """Until both have ended."""
        self.daemon.stop(grace=30)
        self.epmd.stop(grace=5)

    def control(self, arguments, **options):
        """Runs rabbitmqctl on this broker."""
        command = self.state.installation.command([PROGRAMS / "rabbitmqctl", *arguments], self.state.folder)
        return subprocess.run(command, env=self.environment(), cwd=self.state.folder, **options)

    def reload_keys(self):
        """Makes a running broker take the keys that were added since its start."""
        for name, path in self.public_keys():
            result = self.control(
                ["--quiet", "add_uaa_key", name, f"--pem-file={path}"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if result.returncode != 0:
                raise Failure(f"the broker did not take key {name}: {(result.stderr or result.stdout).strip()}")

    def end_of_log(self, lines=20):
        """The last lines of its log."""
        return tail(self.folder / "broker.log", lines) or self.daemon.end_of_log(lines)
