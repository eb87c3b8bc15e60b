"""An EC2 instance metadata service (version 2) for one agent of the demo: there is no EC2 here, and AWS would not interrupt an instance for a show."""

import datetime
import http.server
import json
import sys
import threading

TOKEN = "demonstration-session-token"


class MetadataService:
    """Answers on loopback from a thread of its own, until `close`."""

    def __init__(self, port, instance_id):
        self._facts = {
            "instance-id": instance_id, "instance-type": "c5.large", "placement/region": "us-east-1",
            "placement/availability-zone": "us-east-1a", "instance-life-cycle": "spot", "ami-id": "ami-0123456789abcdef0",
            "local-ipv4": "127.0.0.1",
        }
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """One question."""

            wbufsize = -1  # The answer is sent in one piece.

            def do_PUT(self):  # http.server's name
                """A session token, without which nothing is answered."""
                if self.path == "/latest/api/token" and self.headers.get("X-aws-ec2-metadata-token-ttl-seconds"):
                    self.answer(200, TOKEN)
                else:
                    self.answer(400, "")

            def do_GET(self):  # http.server's name
                """A fact, or 404 for what there is not (yet)."""
                if self.headers.get("X-aws-ec2-metadata-token") != TOKEN:
                    self.answer(401, "")
                    return
                fact = service.fact(self.path.removeprefix("/latest/meta-data/"))
                self.answer(200 if fact is not None else 404, fact or "")

            def answer(self, status, text):
                """Sends it."""
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format, *arguments):  # the signature of http.server
                """Nobody reads it."""

        class Server(http.server.ThreadingHTTPServer):
            """As many questions at once as there are."""

            daemon_threads = True

            def handle_error(self, request, client_address):  # the signature of socketserver
                """An agent that could not wait any longer has hung up; everything else is told."""
                if not isinstance(sys.exc_info()[1], ConnectionError):
                    super().handle_error(request, client_address)

        self._server = Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def fact(self, path):
        """What there is under a path, or None."""
        return self._facts.get(path)

    def interrupt(self, action, seconds):
        """From now on it says that the instance will be gone in so many seconds; returns the time it names."""
        moment = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._facts["spot/instance-action"] = json.dumps({"action": action, "time": moment})
        return moment

    def close(self):
        """Answers no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
