"""Serves an authorization server written for WSGI, and tells what its token and revocation endpoints answer.

Prints a line of JSON when it is ready, `{"issuer": …}`, and one for each event; ends when its standard input does.
"""

import io
import json
import os
import socketserver
import sys
import threading
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer


def tell(**event):
    # One write for each line: the threads of a server do not wait for each other.
    os.write(sys.stdout.fileno(), (json.dumps(event) + "\n").encode())


def serve(application_at):
    """Runs what `application_at(issuer)` returns until standard input ends."""
    server = Threaded(("127.0.0.1", 0), Quiet)
    issuer = f"http://127.0.0.1:{server.server_port}"
    server.set_app(Telling(application_at(issuer)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tell(issuer=issuer)
    sys.stdin.read()


class Threaded(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, format, *arguments):
        pass


class Telling:
    """Reads each form that is posted and what it is answered with, and passes both on unchanged."""

    def __init__(self, application):
        self.application = application

    def __call__(self, environment, start_response):
        length = int(environment.get("CONTENT_LENGTH") or 0)
        body = environment["wsgi.input"].read(length)
        environment["wsgi.input"] = io.BytesIO(body)
        seen = []

        def starting(status, headers, exception=None):
            seen[:] = [int(status.split()[0])]
            return start_response(status, headers, exception)

        parts = self.application(environment, starting)
        try:
            answer = b"".join(parts)
        finally:
            getattr(parts, "close", lambda: None)()
        if environment["REQUEST_METHOD"] == "POST":
            tell_exchange(environment, body.decode(errors="replace"), seen[0], answer)
        return [answer]


def tell_exchange(environment, form, status, answer):
    asked = {"path": environment["PATH_INFO"], "authorization": environment.get("HTTP_AUTHORIZATION"), "form": form}
    fields = parse_qs(form)
    if "grant_type" in fields:
        try:
            answer = json.loads(answer)
        except ValueError:
            answer = None
        tell(event=f"token.{fields['grant_type'][0]}", **asked, status=status, answer=answer)
    elif "token" in fields:
        tell(event="revocation", **asked, status=status)
