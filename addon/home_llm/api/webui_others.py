"""Routes of text-generation-webui's that have nothing to do with its model.

Source: modules/api/script.py and moderations.py of text-generation-webui 4.7.3.
"""

import secrets

import flask

from home_llm.api.body import Lenient, read
from home_llm.api.openapi import documented
from home_llm.api.schemas import webui as schemas

_TAG = "text-generation-webui"

# OpenAI's.
_CATEGORIES = (
    "sexual",
    "hate",
    "harassment",
    "self-harm",
    "sexual/minors",
    "hate/threatening",
    "violence/graphic",
    "self-harm/intent",
    "self-harm/instructions",
    "harassment/threatening",
    "violence",
)


class ModerationBody(Lenient):
    """Texts to judge."""

    input: str | list[str]


def create_blueprint() -> flask.Blueprint:
    """Return the routes."""
    routes = flask.Blueprint("webui_others", __name__)

    @routes.post("/v1/moderations")
    @documented(
        "Judge nothing, and say so of every text",
        tag=_TAG,
        body=ModerationBody,
        example={"input": "Good morning"},
        answer=schemas.MODERATIONS,
    )
    def moderations() -> flask.typing.ResponseReturnValue:
        texts = read(ModerationBody).input
        result = {
            "flagged": False,
            "categories": dict.fromkeys(_CATEGORIES, False),
            "category_scores": dict.fromkeys(_CATEGORIES, 0.0),
        }
        count = 1 if isinstance(texts, str) else len(texts)
        return {"id": f"modr-{secrets.token_hex(12)}", "model": "none", "results": [result] * count}

    @routes.get("/v1/billing/usage")
    @documented("Look what it costs", tag=_TAG, answer=schemas.BILL)
    def billing() -> flask.typing.ResponseReturnValue:
        return {"total_usage": 0}

    return routes
