"""A page without a browser: its texts, by the places that have an id."""

from html.parser import HTMLParser

VOID = {"meta", "link", "img", "input", "br", "hr"}


class Shown(HTMLParser):
    """A page as people see it: the text of each place that has an id, and of the whole as ""."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.texts = {"": ""}
        self.tags: list[str] = []
        self.links: list[str] = []
        self.examples: list[str] = []
        self._open: list[tuple[str, str | None]] = []
        self.feed(page.decode())
        self.texts = {at: " ".join(text.split()) for at, text in self.texts.items()}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.links += [given["href"] or ""] if "href" in given else []
        self.examples += [""] if tag == "pre" else []
        if at := given.get("id"):
            assert at not in self.texts, f"two places have the id {at}"
            self.texts[at] = ""
        if tag not in VOID:
            self._open.append((tag, at))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if any(tag == "pre" for tag, _ in self._open):
            self.examples[-1] += data
        for at in {"", *(at for _, at in self._open if at)}:
            self.texts[at] += data
