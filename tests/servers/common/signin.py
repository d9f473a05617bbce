"""A person at a server's pages, without the browser: signs in, allows, and looks at the page they end on.

Reads the address from standard input, prints `{"heading", "text"}`.
"""

import json
import sys
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

# What the person knows, by the names that forms give it; and the buttons they press, the first that is there.
KNOWN = {"username": "ada", "login": "ada", "sub": "ada", "password": "any"}
ALLOWING = [("allow", "Authorize"), ("answer", "accept")]


class Page(HTMLParser):
    """The first form of a page with its fields and buttons, the page's text and its heading."""

    def __init__(self, answer):
        super().__init__()
        self.address, self.action, self.fields, self.buttons = answer.url, None, {}, []
        self.text, self.heading, self.inside, self.forms = [], "", [], 0
        self.feed(answer.read().decode())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in ("input", "meta", "link", "br", "hr", "img"):
            self.inside.append(tag)
        if tag == "form":
            self.forms += 1
            if self.forms == 1:
                self.action = attributes.get("action") or ""
        name, value = attributes.get("name"), attributes.get("value") or ""
        if self.forms != 1 or not name:
            return
        if tag == "button" or attributes.get("type") == "submit":
            self.buttons.append((name, value))
        elif tag == "input" and attributes.get("type") != "checkbox":
            self.fields[name] = value

    def handle_endtag(self, tag):
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def handle_data(self, data):
        if not data.strip() or {"style", "script"} & set(self.inside):
            return
        self.text.append(data.strip())
        if "h1" in self.inside:
            self.heading += data

    def filled_in(self):
        form = self.fields | {name: KNOWN[name] for name in self.fields if name in KNOWN}
        form |= [pressed for pressed in ALLOWING if pressed in self.buttons][:1]
        address = urljoin(self.address, self.action)
        return Request(address, urlencode(form).encode(), {"Referer": self.address})


person = build_opener(HTTPCookieProcessor(CookieJar()), ProxyHandler({}))


def opened(address):
    try:
        return Page(person.open(address))
    except HTTPError as page:
        return Page(page)  # whatever its status: it is there to be read


page = opened(sys.stdin.read().strip())
# Nobody fills in more than a name, a password and a consent.
for _ in range(4):
    if page.action is None:
        break
    page = opened(page.filled_in())
print(json.dumps({"heading": page.heading.strip(), "text": " ".join(page.text)}))
