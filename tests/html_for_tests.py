"""Reads a page as a browser would, without one."""

import html.parser
import re

VOID = {'meta', 'br', 'img', 'link', 'input', 'hr', 'wbr'}


class Reader(html.parser.HTMLParser):
    """Collects a page's elements and texts; complains of tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.elements, self._open, self._texts = [], [], []
        self.feed(text)
        assert not self._open
        self.text = re.sub(r'\s+', ' ', ''.join(self._texts))

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open[-1:] != ['style']:
            self._texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]
