"""Pages and pictures of a report, read as a browser would."""

import base64
import io
import re
import shutil
from html.parser import HTMLParser

import numpy as np
from PIL import Image

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
_VOID = {"meta", "img", "input", "br"}


class Page(HTMLParser):
    """Elements of a page; fails where a tag is closed that is not open."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.words = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def attribute(self, name):
        return [attributes[name] for _, attributes in self.elements if name in attributes]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def points_of(path):
    """All points of a path, in millimetres."""
    numbers = [[int(n) for n in re.findall(r"-?\d+", ring)] for ring in path.split("z") if ring]
    return np.concatenate([np.cumsum(np.reshape(ring, (-1, 2)), axis=0) for ring in numbers]) / 10


def pixels_of(slide):
    data = slide.picture.removeprefix("data:image/jpeg;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
