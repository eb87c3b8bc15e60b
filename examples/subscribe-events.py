#!/usr/bin/env python3
"""Prints what happens in a fleet: a subscriber to the CloudEvents at the exchange fleet.events.

The broker's address and login come from AMQP_URL, as the server has it:

    AMQP_URL=amqp://user:password@127.0.0.1:5672/spot-optimizer python3 subscribe-events.py --filter 'agent.*'

Without --queue it gets what happens while it runs, from a queue that goes with it. With --queue NAME the queue stays at the broker, so that
nothing is missed between two runs. One JSON object a line, in the JSON format of CloudEvents 1.0. Ctrl-C ends it.

Needs pika 1.x: apt-get install python3-pika. docs/events.md lists the types and their data.
"""

import argparse
import collections
import json
import os
import re
import signal
import sys
import time

try:
    import pika
    import pika.exceptions
except ModuleNotFoundError:
    pika = None  # So that --help works all the same.

EXCHANGE = "fleet.events"
PREFIX = "cloudEvents:"
# What a queue holds for a subscriber that is away, before the oldest events go.
LONGEST_QUEUE = 100_000
# Ids that are remembered: an event that is delivered twice has the same one.
REMEMBERED = 50_000


class Duplicates:
    """The ids of the newest events that were handled."""

    def __init__(self, size):
        self.size = size
        self.ids = collections.OrderedDict()

    def seen(self, event_id):
        return event_id in self.ids

    def remember(self, event_id):
        self.ids[event_id] = True
        if len(self.ids) > self.size:
            self.ids.popitem(last=False)


def cloud_event(properties, body):
    """The event of a message, in the JSON format; None for what is no event, such as the wake-up of a server."""
    event = {
        name[len(PREFIX):]: value for name, value in (properties.headers or {}).items() if name.startswith(PREFIX)
    }
    if not {"specversion", "id", "source", "type"} <= event.keys():
        return None
    # In binary mode the content type is the AMQP property, and the body is the data as it is.
    event["datacontenttype"] = properties.content_type
    try:
        event["data"] = json.loads(body)
    except ValueError:
        event["data"] = body.decode("utf-8", "replace")
    return event


def handle(event):
    """Put your own work here. It is acknowledged when this returns; an exception ends the program, and the event comes again."""
    print(json.dumps(event, ensure_ascii=False, sort_keys=True), flush=True)


def consume(parameters, arguments, duplicates):
    """Handles events until the connection breaks."""
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    durable = arguments.queue is not None
    queue = channel.queue_declare(
        arguments.queue or "", durable=durable, exclusive=not durable, auto_delete=not durable,
        arguments={"x-max-length": LONGEST_QUEUE},
    ).method.queue
    channel.queue_bind(queue, EXCHANGE, arguments.filter)
    channel.basic_qos(prefetch_count=100)

    def on_message(channel, method, properties, body):
        event = cloud_event(properties, body)
        if event is not None and not duplicates.seen(event["id"]):
            handle(event)
            duplicates.remember(event["id"])
        channel.basic_ack(method.delivery_tag)

    channel.basic_consume(queue, on_message)
    print(f"subscribe-events: bound to {arguments.filter}", file=sys.stderr, flush=True)
    channel.start_consuming()


def pattern(text):
    """A pattern of types; one that can match nothing is refused, for it would wait for ever in silence."""
    if not re.fullmatch(r"([a-z_]+|\*|#)(\.([a-z_]+|\*|#))*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no pattern: words of a-z and _, * or #, with dots between them, such as agent.*")
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filter", default="#", type=pattern, help="types as the topic exchange takes them: agent.*, *.failed, # (default: #)")
    parser.add_argument("--queue", help="the name of a durable queue of your own (default: one that goes with the connection)")
    arguments = parser.parse_args()
    url = os.environ.get("AMQP_URL")
    if not url:
        parser.error("AMQP_URL is not set; set it to amqp://user:password@host:5672/spot-optimizer")
    if pika is None:
        sys.exit(f"subscribe-events: {sys.executable} has no pika; run it with Debian's own, /usr/bin/python3, after: apt-get install python3-pika")
    try:
        parameters = pika.URLParameters(url)
    except (ValueError, IndexError, KeyError):
        # Not shown: there is a password in it.
        parser.error("AMQP_URL is no URL that can be used; set it to amqp://user:password@host:5672/spot-optimizer")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    duplicates = Duplicates(REMEMBERED)
    delay = 1
    while True:
        began = time.monotonic()
        try:
            consume(parameters, arguments, duplicates)
        except KeyboardInterrupt:
            return
        except (pika.exceptions.ChannelClosedByBroker, pika.exceptions.ProbableAuthenticationError) as error:
            # No waiting mends these: no such exchange, no permission, the wrong password.
            sys.exit(f"subscribe-events: {error!r}")
        except pika.exceptions.AMQPError as error:
            delay = 1 if time.monotonic() - began > 60 else min(2 * delay, 60)
            print(f"subscribe-events: {error!r} - connecting again in {delay}s", file=sys.stderr, flush=True)
            time.sleep(delay)


if __name__ == "__main__":
    main()
