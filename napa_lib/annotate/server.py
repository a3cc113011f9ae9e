"""The page of `napa annotate`, served to this computer alone.

It listens on the loopback address; every request must name that address as its host, come from no other page, and
carry a token that only the printed address holds, so no other page in the same browser can read or change anything. Nor
can another user of the computer, unless the browser that is opened shows its address among the running programs:
`--no-browser` opens none.
"""

from __future__ import annotations

import hmac
import json
import secrets
import sys
import threading
import webbrowser
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import parse_qs, urlsplit

from napa_lib.annotate.desk import Desk
from napa_lib.annotate.journal import Edit, JournalError
from napa_lib.console import say
from napa_lib.pose.drawing import side_color
from napa_lib.pose.files import shown
from napa_lib.skeletons import NAPA18

HOST = "127.0.0.1"
LARGEST = 1 << 20  # bytes of a request
PAGE = Path(__file__).with_name("page.html")
POLICY = "default-src 'none'; img-src blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff",
           "Referrer-Policy": "no-referrer"}  # fmt: skip


def make_server(desk: Desk, port: int = 0) -> tuple[ThreadingHTTPServer, str]:
    """A server of a desk, not yet running, and the address that opens its page.

    Args:
        desk: what to serve.
        port: of this computer; 0 for any that is free.
    """
    token = secrets.token_urlsafe(24)

    class Handler(_Handler):
        pass

    Handler.desk, Handler.token = desk, token
    server = _Server((HOST, port), Handler)
    return server, f"http://{HOST}:{server.server_address[1]}/?token={token}"


def annotate(folder: Path, port: int = 0, browser: bool = True, marks: Sequence[Path] = ()) -> int:
    """Serve a folder's page until Ctrl-C, then write what was marked; the exit status of `napa annotate`.

    Args:
        folder, port: as `Desk` and `make_server` take them.
        browser: whether to open the page.
        marks: files to take figures from first, as `Desk.take` does.
    """
    try:
        desk = Desk(folder)
    except (ValueError, OSError) as error:
        say(f"napa annotate: {error}", error=True)
        return 1
    try:
        for sentence in desk.take(marks) if marks else ():
            say(shown(sentence))
    except (ValueError, OSError) as error:
        desk.journal.close()
        say(f"napa annotate: --from: {shown(str(error))}", error=True)
        return 1
    for problem in desk.unread:
        say(f"napa annotate: {shown(problem)}", error=True)
    try:
        server, address = make_server(desk, port)
    except OSError as error:
        desk.journal.close()
        say(f"napa annotate: --port {port}: {error.strerror or error}; without it any free port is taken", error=True)
        return 1
    try:  # from here on Ctrl-C ends it, and what was marked is written
        say(f"{len(desk.sizes)} pictures. Open {address}\nEvery change is kept at once; Ctrl-C ends.")
        if browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
        status = finish(desk)
    return status


def finish(desk: Desk) -> int:
    """Write what was marked and let the journal go; 0, or 1 where a file cannot be written."""
    try:
        paths = desk.write()
    except OSError as error:
        say(f"napa annotate: {error}. What was marked is safe in {desk.journal.path}", error=True)
        return 1
    finally:
        desk.journal.close()
    say("\n".join(f"wrote {shown(path)}" for path in paths) or "nothing was marked")
    for problem in desk.left_out():
        say(f"napa annotate: {shown(problem)}", error=True)
    return 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that was closed or loaded again before its pictures were there is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    desk: Desk
    token: str
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line a request is noise."""

    def _trusted(self) -> bool:
        """Whether the request has the page's host, its origin or none, and its token: in the header, or, for the page
        itself, the query."""
        try:
            address = urlsplit(self.path)
        except ValueError:  # such as http://[/
            return False
        query = parse_qs(address.query).get("token", [""])[0]
        given = self.headers.get("X-Token") or (query if address.path == "/" else "")
        port = self.server.server_port  # type: ignore[attr-defined]
        hosts = (f"{HOST}:{port}", f"localhost:{port}")
        origin = self.headers.get("Origin")  # which a browser sends with what another page asks for
        if self.headers.get("Host", "") not in hosts or origin not in (None, *(f"http://{host}" for host in hosts)):
            return False
        return hmac.compare_digest(given.encode(), self.token.encode())

    def do_GET(self) -> None:
        """The page, the list of pictures, a picture, the changes since one."""
        self._answer({})

    def do_POST(self) -> None:
        """A change, a guess, a fit, or writing the files."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST:
            self.close_connection = True
            self._send(413, "application/json", b'{"error": "the request is too long"}')
            return
        try:
            body = json.loads(self.rfile.read(int(length)) or b"{}")
        except (ValueError, RecursionError):
            body = None
        self._answer(body)

    def _answer(self, body: Any) -> None:
        if not self._trusted():
            self.close_connection = True
            self._send(403, "text/plain", b"Open the address that napa annotate printed.")
            return
        try:
            kind, content = self._content([part for part in urlsplit(self.path).path.split("/") if part], body)
        except (ValueError, KeyError, TypeError, OverflowError, RuntimeError, OSError) as error:
            self._send(400, "application/json", json.dumps({"error": str(error)}).encode())
            return
        self._send(200, kind, content)

    def _content(self, parts: list[str], body: Any) -> tuple[str, bytes]:
        desk = self.desk
        post = self.command == "POST"
        if post and not isinstance(body, dict):
            raise JournalError("the request must be a JSON object")
        match parts:
            case [] if not post:
                return "text/html; charset=utf-8", page(self.token).encode()
            case ["pictures"] if not post:
                return _json({"pictures": desk.pictures(), "unread": desk.unread})
            case ["picture", number] if not post and number.isdigit():
                return "image/jpeg", desk.image(int(number))
            case ["edits", number] if not post and number.isdigit():
                return _json({"edits": desk.since(int(number))})
            case ["edit"] if post:
                edit = Edit.read(body)
                return _json({"last": desk.keep(edit), "strained": desk.strained(edit)})
            case ["guess"] if post:
                return _json(desk.guess(int(body["picture"]), body.get("box"), bool(body.get("first"))))
            case ["fit"] if post:
                return _json(desk.fit(str(body["picture"]), int(body["figure"])))
            case ["write"] if post:
                return _json({"files": [path.name for path in desk.write()], "left_out": desk.left_out()})
        raise JournalError(f"there is nothing at {self.path!r:.80}")

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _json(value: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(value).encode()


def page(token: str) -> str:
    """The page, with what its script needs to know."""
    known = {
        "token": token, "joints": NAPA18.joints, "bones": NAPA18.bones, "parents": NAPA18.parents,
        "boneColors": [f"rgb{side_color(NAPA18, a, b)}" for a, b in NAPA18.bones],
        "jointColors": [f"rgb{side_color(NAPA18, j)}" for j in range(NAPA18.num_joints)],
    }  # fmt: skip
    return Template(PAGE.read_text("utf-8")).substitute(known=json.dumps(known).replace("<", "\\u003c"))
