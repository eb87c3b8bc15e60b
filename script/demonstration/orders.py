"""The part of the demo about commands: one that is followed, one that is called off, a rollout that stops by itself, and a spot notice that moves work."""

import os
import selectors
import shutil
import stat
import tempfile
import time

from .building import REPOSITORY
from .evidence import quoted
from .fleet import SPOT_AGENT, SUCCESSOR
from .show import AGENTS, NotSeen

# What the agents may run besides the examples: each shows one thing.
COMMANDS = {
    "countdown": """\
#!/bin/sh
# Says something every half second, and ends with a code of its own.
for left in 4 3 2 1; do
  echo "$left half seconds left"
  sleep 0.5
done
echo "that was it" >&2
exit 7
""",
    "endless": """\
#!/bin/sh
# Never ends by itself, and neither does what it starts.
sleep 86399 &
echo "working"
wait
""",
    "upgrade": """\
#!/usr/bin/python3
# Pretends to upgrade something. Fails on a machine for which there is a file <folder>/<logical id>.
import json, os, sys
name = os.environ["SPOT_OPTIMIZER_LOGICAL_AGENT_ID"]
if os.path.exists(os.path.join(json.load(sys.stdin)["broken"], name)):
    sys.exit(f"{name}: no space left for the upgrade")
print(f"{name}: upgraded")
""",
}
# Commands of examples/commands with their parameters, and what is to be in their output.
EXAMPLES = (
    ("disk-usage", '{"path": "/"}', "Filesystem"),
    ("switch-python", '{"target_mode": "spot", "target_pool_id": "c5.large.us-east-1b"}', "would start a spot instance in the pool"),
    ("restart-service", '{"service": "nginx", "dry_run": true}', "would restart nginx"),
)
CANARY, BUSY = SPOT_AGENT, "demo-2"
# Two of three, because a rollout picks its order by chance: whichever it is, one fails while another is still to come.
BROKEN = ("demo-2", "demo-3")
# The whole process group of a command has to be gone when it was called off.
ENDLESS_CHILD = ["sleep", "86399"]


def nobody_else_may_write(folder):
    """Whether a folder and all above it are as agents want them (docs/commands-on-agents.md, "The folder")."""
    folder = folder.resolve()
    for place in (folder, *folder.parents):
        status = place.stat()
        shared = status.st_mode & 0o022 and not (status.st_mode & stat.S_ISVTX and place != folder)
        if shared or status.st_uid not in (0, os.geteuid()):
            return False
    return True


def prepare_commands(folder):
    """The commands folder of the demo's agents: the examples, and the demo's own."""
    if nobody_else_may_write(folder.parent):
        folder.mkdir(mode=0o755)
    else:
        # A checkout that is another user's, or its group's to write, is no place that an agent runs programs from.
        elsewhere = tempfile.mkdtemp(prefix="spot-optimizer-demo-")
        folder.symlink_to(elsewhere)
    folder.chmod(0o755)
    for example in sorted((REPOSITORY / "examples" / "commands").iterdir()):
        shutil.copyfile(example, folder / example.name)
        (folder / example.name).chmod(0o755 if os.access(example, os.X_OK) else 0o644)
    for name, text in COMMANDS.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


def processes_running(command):
    """How many processes have this command line."""
    wanted = b"\0".join(word.encode() for word in command) + b"\0"
    found = 0
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and open(f"/proc/{entry}/cmdline", "rb").read() == wanted:
                found += 1
        except OSError:
            continue  # It ended while we looked.
    return found


class Orders:
    """The acts of this part."""

    def __init__(self, show):
        self.show = show
        self.fleet = show.fleet
        self.screen = show.screen

    def run(self):
        """All of them."""
        self.followed()
        self.called_off()
        self.rollout()
        self.interruption()

    # Looking

    def command(self, condition):
        """Id, status, error and exit code of the newest command that fits, or None."""
        rows = self.fleet.database.rows(
            f"SELECT id, status, COALESCE(error, ''), COALESCE(exit_code, '') FROM commands WHERE {condition} ORDER BY seq DESC LIMIT 1")
        return dict(zip(("id", "status", "error", "exit_code"), rows[0])) if rows else None

    def wait_for_command(self, condition, status):
        """The command, once it stands so."""
        self.show.wait(
            lambda: (row := self.command(condition)) is not None and row["status"] == status,
            lambda: f"the command stands so: {self.command(condition)}")
        return self.command(condition)

    # Acts

    def followed(self):
        """Its output is on the operator's screen while the command runs, and its exit code is spotctl's."""
        self.screen.heading("6. Commands that are followed")
        with self.show.promise("followed"):
            for name, parameters, text in EXAMPLES:
                self.screen.command(f"spotctl commands send {CANARY} {name} '{parameters}' --follow")
                status, lines = self.follow(CANARY, name, parameters)
                for _, line in lines:
                    self.screen.quote(line)
                if status != 0 or not any(text in line for _, line in lines):
                    raise NotSeen(f"{name} ended with exit code {status} and said {[line for _, line in lines]}")
            self.screen.command(f"spotctl commands send {CANARY} countdown --follow")
            status, lines = self.follow(CANARY, "countdown", "{}")
            began = lines[0][0] if lines else 0
            for moment, line in lines:
                self.screen.quote(f"{moment - began:4.1f} s  {line}")
            shown = [line for _, line in lines]
            if not all(f"{left} half seconds left" in shown for left in (4, 3, 2, 1)) or "that was it" not in shown:
                raise NotSeen(f"not all of its output was shown: {shown}")
            spread = next(moment for moment, line in lines if line == "that was it") - began
            if spread < 1.5:
                raise NotSeen(f"its output came within {spread:.1f} s, not as it was written")
            if status != 7:
                raise NotSeen(f"spotctl's exit code is {status}, and not the command's own 7")
            self.show.keep(
                "followed", f"its lines came over {spread:.1f} s while it ran, and its exit code 7",
                "each line was shown as it was written, standard error too, and spotctl ended with the command's own exit code 7")

    def follow(self, agent, command, parameters):
        """Runs `commands send --follow`: its exit code, and its lines with the moment each came."""
        child = self.fleet.begin_following("commands", "send", agent, command, parameters, "--follow")
        lines = []
        with selectors.DefaultSelector() as selector:
            for stream in (child.popen.stdout, child.popen.stderr):
                selector.register(stream, selectors.EVENT_READ, bytearray())
            while selector.get_map():
                for key, _ in selector.select(timeout=60):
                    part = os.read(key.fd, 65536)
                    if not part:
                        selector.unregister(key.fileobj)
                    key.data.extend(part)
                    while b"\n" in key.data:
                        line, _, rest = key.data.partition(b"\n")
                        key.data[:] = rest
                        lines.append((time.monotonic(), line.decode(errors="replace")))
        status = child.popen.wait()
        self.fleet.discard(child)
        return status, [(moment, line) for moment, line in lines if not line.startswith("spotctl: ")]

    def called_off(self):
        """A command that runs is cancelled, and its processes are gone."""
        self.screen.heading("7. A running command is called off")
        with self.show.promise("called off"):
            self.screen.command(f"spotctl commands send {BUSY} endless")
            order = self.fleet.require_spotctl("commands", "send", BUSY, "endless")[0]["id"]
            self.wait_for_command(f"id = {quoted(order)}", "running")
            self.show.wait(lambda: processes_running(ENDLESS_CHILD) == 1, lambda: "the process that it starts is not there")
            self.screen.say(f"it runs on {BUSY}, and so does the process that it has started")
            began = time.monotonic()
            self.screen.command(f"spotctl commands cancel {order}")
            self.fleet.require_spotctl("commands", "cancel", order)
            row = self.wait_for_command(f"id = {quoted(order)}", "cancelled")
            took = time.monotonic() - began
            self.show.wait(lambda: processes_running(ENDLESS_CHILD) == 0, lambda: "the process that it started lives on", seconds=5)
            self.show.keep(
                "called off", f"{took:.1f} s after it was wished, with what it had started",
                f"cancelled {took:.1f} s after the wish ({row['error']}); nothing of it runs any more")

    def rollout(self):
        """A canary, a failure, the pause, and the rest after the cause was mended."""
        self.screen.heading("8. A rollout stops by itself")
        broken = self.fleet.state.broken
        with self.show.promise("paused"):
            broken.mkdir(mode=0o755)
            for name in BROKEN:
                (broken / name).touch()
            words = ("rollouts", "start", "upgrade", f'{{"broken": "{broken}"}}', "--target", "status=online", "--canary", "1",
                     "--concurrency", "1", "--max-errors", "0")
            self.screen.command("spotctl rollouts start upgrade '{…}' --target status=online --canary 1 --concurrency 1 --max-errors 0")
            rollout = self.fleet.require_spotctl(*words)[0]["id"]
            self.show.wait(lambda: self.rollout_row(rollout)["state"] == "paused", lambda: f"it stands so: {self.rollout_row(rollout)}")
            row = self.rollout_row(rollout)
            done = self.ended(rollout)
            self.screen.say(f"it is paused: {row['reason']}")
            for name, status in done.items():
                self.screen.say(f"{name}: {status}")
            failed = [name for name, status in done.items() if status == "failed"]
            if len(failed) != 1 or len(done) == len(AGENTS):
                raise NotSeen(f"its commands ended so: {done}")
            if failed[0] not in row["reason"]:
                raise NotSeen(f"the reason does not say on whom: {row['reason']}")
            self.show.keep("paused", row["reason"], f"it went no further than the first failure: {len(done)} of {len(AGENTS)} agents got it")
        with self.show.promise("completed"):
            for name in BROKEN:
                (broken / name).unlink(missing_ok=True)
            self.screen.say(f"the cause on {' and '.join(BROKEN)} is mended")
            self.screen.command(f"spotctl rollouts retry {rollout}")
            self.fleet.require_spotctl("rollouts", "retry", rollout)
            self.show.wait(lambda: self.rollout_row(rollout)["state"] == "completed", lambda: f"it stands so: {self.rollout_row(rollout)}")
            done = self.ended(rollout)
            if done != {name: "succeeded" for name in AGENTS}:
                raise NotSeen(f"its commands ended so: {done}")
            self.show.keep("completed", f"all {len(AGENTS)} agents have succeeded", "the failed one was repeated, the others got theirs, it is completed")

    def rollout_row(self, rollout):
        """State and reason."""
        rows = self.fleet.database.rows(f"SELECT state, COALESCE(reason, '') FROM rollouts WHERE id = {quoted(rollout)}")
        return dict(zip(("state", "reason"), rows[0])) if rows else {"state": "not in the table", "reason": ""}

    def ended(self, rollout):
        """How its newest command on each agent stands."""
        return dict(self.fleet.database.rows(
            "SELECT a.logical_agent_id, c.status FROM commands c JOIN agents a ON a.id = c.agent_id "
            f"WHERE c.rollout_id = {quoted(rollout)} ORDER BY c.seq"))

    def interruption(self):
        """AWS takes an instance back: another agent is told to switch, in the transaction of the notice itself."""
        self.screen.heading("9. A spot instance is interrupted")
        with self.show.promise("switched"):
            words = ("reactions", "add", "failover", "--on", "agent.interruption", "--run", "switch",
                     '{"target_mode": "ondemand", "instance": "{agent.instance_id}", "before": "{notice.time}"}',
                     "--on-agents", "tag:replica-of={agent.logical_agent_id}", "--within", "90s")
            self.screen.command(
                "spotctl reactions add failover --on agent.interruption --run switch '{…}' "
                "--on-agents 'tag:replica-of={agent.logical_agent_id}' --within 90s")
            self.fleet.require_spotctl(*words)
            moment = self.fleet.metadata.interrupt("terminate", 120)
            appeared = time.time()
            self.screen.say(f"the metadata of {CANARY}'s instance says: terminate at {moment}")
            agent = self.show.row(SUCCESSOR)["id"]
            condition = f"agent_id = {quoted(agent)} AND command_type = 'switch'"
            row = self.wait_for_command(condition, "succeeded")
            started = float(self.fleet.database.value(
                f"SELECT UNIX_TIMESTAMP(started_at) FROM commands WHERE id = {quoted(row['id'])}"))
            output = self.fleet.database.value(f"SELECT REPLACE(TRIM(stdout), '\\n', ' | ') FROM commands WHERE id = {quoted(row['id'])}")
            self.screen.say(f"{SUCCESSOR}, which carries the tag replica-of={CANARY}, has run switch: {output}")
            marked = self.fleet.database.value(
                f"SELECT interruption_action FROM agents WHERE logical_agent_id = {quoted(CANARY)} AND interruption_time IS NOT NULL")
            if marked != "terminate":
                raise NotSeen(f"the row of {CANARY} is not marked: interruption_action is {marked}")
            took = started - appeared
            if took > 15:
                raise NotSeen(f"it took {took:.1f} s")
            self.show.keep(
                "switched", f"{took:.1f} s from the notice's appearance to the start on {SUCCESSOR}",
                f"the command started {took:.1f} s after the notice appeared (agents look every 2 s), and {CANARY}'s row is marked")
