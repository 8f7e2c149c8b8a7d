"""A browser without JavaScript: it follows redirects, fills in forms and submits them."""

from urllib.parse import urljoin

import httpx
from lxml import html


class Browser:
    """One person's browser, with his cookies. `location` is where the last redirect led."""

    def __init__(self, language: str = "fr") -> None:
        self._client = httpx.Client(headers={"Accept-Language": language}, timeout=30)
        self.page = html.document_fromstring("<html></html>")
        self.location = ""

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def open(self, url: str, stop_at: str = "\0") -> None:
        self._follow(self._client.get(url), stop_at)

    def submit(
        self, stop_at: str = "\0", button: tuple[str, str] | None = None, action: str = "", **fields: str
    ) -> None:
        """Send the first form, or the one that goes to the action; `button` is the one that is pressed."""
        form = next(form for form in self.page.forms if not action or form.action == action)
        for name, value in fields.items():
            form.fields[name] = value
        data: dict[str, list[str]] = {}
        for name, value in [*form.form_values(), *([button] if button else [])]:
            data.setdefault(name, []).append(value)
        url = urljoin(self.location, form.action)
        self._follow(self._client.post(url, data=data, headers={"Origin": url.partition("/oauth")[0]}), stop_at)

    def _follow(self, answer: httpx.Response, stop_at: str) -> None:
        self.location = str(answer.url)
        while answer.is_redirect:
            self.location = urljoin(str(answer.url), answer.headers["location"])
            if self.location.startswith(stop_at):
                return
            answer = self._client.get(self.location)
        assert answer.status_code < 400, answer.text
        self.page = html.document_fromstring(answer.text)

    def button(self, words: str) -> tuple[str, str]:
        """The name and value of the button that says these words."""
        return next(
            (one.get("name", ""), one.get("value", ""))
            for one in self.page.iter("button")
            if words in one.text_content()
        )

    @property
    def text(self) -> str:
        return " ".join(self.page.text_content().split())
