"""The page `/docs`: one file for the browser, made of three here, and the policy that lets it run nothing else."""

import base64
import hashlib
from pathlib import Path
from typing import NamedTuple

_FOLDER = Path(__file__).with_name("docs")


class DocsPage(NamedTuple):
    """A page as it is sent.

    Attributes:
        text: HTML with its style and script in it.
        policy: the Content-Security-Policy, which allows these two by their hashes.
    """

    text: str
    policy: str


def docs_page() -> DocsPage:
    """Return the page."""
    style, script = (_FOLDER.joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    text = _FOLDER.joinpath("page.html").read_text("utf-8")
    text = text.replace("{{ style }}", style).replace("{{ script }}", script)
    policy = (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return DocsPage(text, policy)


def _source(text: str) -> str:
    """Return how a policy names a text that stands in the page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
