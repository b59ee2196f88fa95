"""Pages read back as a browser would read them, as far as tests need it."""

from html.parser import HTMLParser

import pytest


class Reader(HTMLParser):
    """Every element with its attributes, the text, and the tables as (text, whether bold) a cell."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.rows, self.text = [], [], ""
        self._cell, self._strong = None, 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        if tag != "wbr":  # where a label may be broken, which depends on its text
            self.elements.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._cell = ["", False]
            self.rows[-1].append(self._cell)
        self._strong += tag == "strong"

    def handle_endtag(self, tag):
        self._strong -= tag == "strong"
        if tag in ("td", "th"):
            self._cell = None

    def handle_data(self, data):
        self.text += data
        if self._cell is not None:
            self._cell[0] += data
            self._cell[1] |= bool(self._strong)

    @property
    def structure(self):
        """Tags and the names of their attributes: what no text from outside may change."""
        return [(tag, tuple(attributes)) for tag, attributes in self.elements]

    def links(self):
        """Every address that the page refers to."""
        found = [attributes.get(name) for _, attributes in self.elements for name in ("href", "src")]
        return [address for address in found if address is not None]


@pytest.fixture
def read_page():
    """`read_page(page)`: the text of a page, or its bytes, as a `Reader`."""
    return lambda page: Reader(page.decode() if isinstance(page, bytes) else page)
