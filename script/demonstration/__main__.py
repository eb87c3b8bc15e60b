"""The command line of `script/demo`."""

import argparse
import shlex
import signal
import sys
import time
from pathlib import Path

from localservices.processes import Failure

from . import building
from .children import Children, Interrupted, Interrupts
from .evidence import Unanswered
from .fleet import Fleet
from .orders import Orders, prepare_commands
from .outage import Outage
from .screen import OutputGone, Screen
from .show import AGENTS, Show, youngest
from .state import State

DESCRIPTION = """\
Spot Optimizer at work, on this machine and for itself: installs what is missing, builds, starts a private broker and
database, the server and three agents, and shows how they register, send heartbeats, run a command, are refused, die and
come back, and go on while the server is away. Everything listens on loopback only."""

DEFAULT_STATE = building.REPOSITORY / ".local" / "demo"

EPILOG = """\
examples:
  script/demo                        show everything and stay up until Ctrl-C
  script/demo --once                 show everything and end; the exit code says whether all of it was seen
  eval "$(script/demo --env)"        in another terminal, while a demo is up: spotctl and the databases' addresses

Its files are in .local/demo (the logs of the last run stay there), the build's in .build.

exit codes: 0 everything was seen; 1 something was not seen, or could not be started; 2 usage;
3 another demo is running (with --env: none is up); 129, 130, 143 ended by SIGHUP, SIGINT, SIGTERM before everything was seen"""


def parse(arguments):
    """The options."""
    parser = argparse.ArgumentParser(
        prog="script/demo", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--once", action="store_true", help="end when everything was shown")
    kind.add_argument(
        "--env", action="store_true",
        help="print shell lines that export the server's address, a client token, the server's variables and a PATH with spotctl")
    parser.add_argument(
        "--bin", metavar="DIR", type=Path,
        help="take the programs from this folder, as they are, instead of installing packages and building")
    parser.add_argument(
        "--state", metavar="DIR", type=Path, default=DEFAULT_STATE,
        help="the demo's folder (default: .local/demo of this repository)")
    return parser.parse_args(arguments)


def print_environment(state):
    """`--env`."""
    if not state.is_held():
        print("script/demo: no demo is up. Start one with `script/demo` in another terminal and try again", file=sys.stderr)
        return 3
    variables = state.published()
    if variables is None:
        print("script/demo: the demo is not up yet (or is ending). Try again in some seconds", file=sys.stderr)
        return 3
    for name, value in variables.items():
        if name != "PROGRAMS":
            print(f"export {name}={shlex.quote(value)}")
    print(f"export PATH={shlex.quote(variables['PROGRAMS'])}:\"$PATH\"")
    return 0


def start(fleet, screen):
    """Broker, database, tables, server and clients; the show that they are for."""
    screen.heading("Broker, database, server")
    screen.say("broker/local: starting a RabbitMQ and a MariaDB of the demo's own")
    screen.say(fleet.start_services())
    screen.command("spotctl migrate")
    fleet.require_spotctl("migrate")
    prepare_commands(fleet.state.commands)
    fleet.start_server()
    screen.say(f"the server is up at {fleet.server_url}: GET /health says that broker and database are well")
    screen.command("spotctl clients create 'Demo Company' --id demo")
    client = fleet.require_spotctl("clients", "create", "Demo Company", "--id", "demo")[0]
    screen.command("spotctl clients create 'Former Company' --id former; spotctl clients disable former")
    former = fleet.require_spotctl("clients", "create", "Former Company", "--id", "former")[0]
    fleet.require_spotctl("clients", "disable", "former")
    fleet.state.publish({
        "SPOT_OPTIMIZER_SERVER_URL": fleet.server_url, "SPOT_OPTIMIZER_CLIENT_TOKEN": client["client_token"],
        **fleet.operator_variables(), "PROGRAMS": str(fleet.programs),
    })
    return Show(fleet, screen, client["id"], client["client_token"], former["client_token"])


def stay(show, screen, options):
    """Until somebody ends it, or a program ends that should not."""
    own = "" if options.state == DEFAULT_STATE else f" --state {shlex.quote(str(show.fleet.state.folder))}"
    demo = shlex.quote(str(building.REPOSITORY / "script" / "demo"))
    agent = shlex.quote(str(show.fleet.state.agents / "demo-2"))
    screen.heading("It stays up until you press Ctrl-C. To talk to it, in another terminal:")
    screen.plain(f"""\
  eval "$({demo} --env{own})"
  spotctl agents list
  spotctl doctor
  LOGICAL_AGENT_ID=demo-2 SPOT_OPTIMIZER_STATE_DIR={agent} AWS_EC2_METADATA_DISABLED=true spot-optimizer-agent doctor
  spotctl commands send demo-1 describe --wait
  MYSQL_PWD=$DB_PASSWORD mariadb -h $DB_HOST -P $DB_PORT -u $DB_USER $DB_NAME
  less {shlex.quote(str(show.fleet.server_log.path))}
""")
    while True:
        for name, child in {"server": show.fleet.server, **{name: show.fleet.agents[name] for name in AGENTS}}.items():
            if child.status() is not None:
                raise Failure(f"{name} has ended ({show.fleet.describe(child)}): see {show.fleet.agent_log(name).path}")
        rows = show.agent_rows()
        online = sum(1 for row in rows.values() if row["status"] == "online")
        screen.progress(f"{online} of {len(rows)} agents online, the last heartbeat {youngest(rows):.1f} s old (Ctrl-C ends the demo)")
        time.sleep(0.5)


def present(options, state, children, screen, fleet_made):
    """Everything until the end; returns the exit code."""
    screen.plain("Spot Optimizer: a demonstration on this machine. The seconds since its start are at the left.")
    if options.bin:
        screen.heading("Programs")
        programs = building.check(options.bin)
        screen.say(f"those in {programs}, as they are")
    else:
        screen.heading("Packages and programs")
        building.bootstrap(children, screen, state)
        programs = building.build(children, screen, state)
    fleet = Fleet(state, programs, children, screen)
    fleet_made(fleet)
    fleet.stop_services()  # Of a demo that was killed.
    show = start(fleet, screen)
    try:
        show.run()
        Orders(show).run()
        Outage(show).run()
    except (Failure, Unanswered):
        show.summary()
        raise
    show.summary()
    if not show.is_complete:
        screen.plain(f"\nNot everything was seen. The programs' logs are in {state.logs}")
    if not options.once:
        try:
            stay(show, screen, options)
        except Interrupted:
            screen.plain("")
    return 0 if show.is_complete else 1


def run(options, state):
    """Takes the folder, presents, and ends everything whatever happened."""
    interrupts = Interrupts()
    interrupts.install()
    if (holder := state.take()) is not None:
        print(
            f"script/demo: another demo (process {holder}) runs in {state.folder}. Talk to it with `script/demo --env`, or end it first",
            file=sys.stderr)
        return 3
    children = Children(interrupts)
    screen = Screen()
    fleets = []
    failure = None
    status = 1
    try:
        try:
            status = present(options, state, children, screen, fleets.append)
        finally:
            # A signal in this very moment is caught below; from here on there is none.
            interrupts.ignore()
    except Interrupted as interrupt:
        status = 128 + interrupt.number
        failure = f"interrupted ({interrupt})"
    except OutputGone:
        status = 128 + signal.SIGHUP
    except (Failure, Unanswered, OSError) as problem:
        failure = str(problem)
    finally:
        status = end(state, children, screen, fleets, failure, status)
    return status


def end(state, children, screen, fleets, failure, status):
    """Stops everything, and says so to whoever still listens."""
    try:
        if failure:
            screen.missed(failure)
        screen.say("stopping everything")
    except OutputGone:
        pass
    try:
        if fleets:
            fleets[0].stop()
        else:
            children.stop_all()
            state.forget()
        screen.say("everything is stopped" + (f"; the logs are in {state.logs}" if status else ""))
    except OutputGone:
        pass
    except (Failure, OSError) as problem:
        print(f"script/demo: {problem}", file=sys.stderr)
        return status or 1
    return status


def main():
    """Returns the exit code."""
    options = parse(sys.argv[1:])
    state = State(options.state)
    try:
        return print_environment(state) if options.env else run(options, state)
    except Failure as failure:
        print(f"script/demo: {failure}", file=sys.stderr)
        return 1
    except Interrupted as interrupt:
        # Before anything was started.
        return 128 + interrupt.number


if __name__ == "__main__":
    sys.exit(main())
