"""What a browser would make of a page, as far as tests ask."""

import json
from html.parser import HTMLParser

from plotly.offline import get_plotlyjs

WITHOUT_END = {"meta", "link", "img", "input", "br", "option"}


class Page(HTMLParser):
    """What a browser would make of a page: elements, their attributes, texts."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.text, self.data, self.open, self.wrong = [], [], {}, [], []
        self.feed(html.replace(get_plotlyjs(), ""))  # megabytes that hold no element

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in WITHOUT_END:
            self.open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in WITHOUT_END:
            return
        if not self.open or self.open.pop()[0] != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        tag, attributes = self.open[-1] if self.open else ("", {})
        if tag == "script" and attributes.get("type") == "application/json":
            self.data[attributes["id"]] = json.loads(data)
        elif tag not in ("script", "style"):
            self.text.append(data)

    @property
    def words(self):
        """All texts, with single spaces."""
        return " ".join(" ".join(self.text).split())

    def asked_of_network(self):
        """Attributes that would make a browser fetch something that is not in the page."""
        names = ("src", "href", "data", "action", "poster", "srcset")
        told = [(tag, name, attributes.get(name) or "") for tag, attributes in self.elements for name in names]
        return [(tag, name, value[:60]) for tag, name, value in told if value and not value.startswith(("data:", "#"))]
