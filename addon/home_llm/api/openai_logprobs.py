"""Log-probabilities as OpenAI's two routes write them."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from home_llm.engine import Logprob, TokenLogprob

# JSON knows no infinity; OpenAI writes what is all but impossible so.
_LEAST = -9999.0


def chat_logprobs(tokens: Iterable[TokenLogprob]) -> dict[str, Any]:
    """Return the `logprobs` of a chat completion or of one of its chunks."""
    content = [{**_entry(token), "top_logprobs": [_entry(other) for other in token.top]} for token in tokens]
    return {"content": content, "refusal": None}


def completion_logprobs(tokens: Sequence[TokenLogprob], *, top: int, offset: int) -> dict[str, Any]:
    """Return the `logprobs` of a completion or of one of its chunks.

    Args:
        tokens: the tokens.
        top: how many alternatives were asked for. The token itself is told beside them when it is none of them.
        offset: characters before the answer.
    """
    tables = [_with_itself(token) for token in tokens] if top else None
    return {
        "tokens": [_text(token) for token in tokens],
        "token_logprobs": [_number(token) for token in tokens],
        "top_logprobs": tables and [{_text(other): _number(other) for other in table} for table in tables],
        # text-generation-webui's: two tokens may read the same, and their numbers do not.
        "top_logprobs_ids": tables and [{str(other.token): _number(other) for other in table} for table in tables],
        "text_offset": [offset + token.start for token in tokens],
    }


def native_logprobs(tokens: Iterable[TokenLogprob]) -> list[dict[str, Any]]:
    """Return the `completion_probabilities` of llama-server's own completion or of one of its chunks."""
    return [
        {
            "id": token.token,
            **_entry(token),
            "top_logprobs": [{"id": other.token, **_entry(other)} for other in token.top],
        }
        for token in tokens
    ]


def sampled_probabilities(tokens: Iterable[TokenLogprob]) -> list[dict[str, Any]]:
    """Return the `completion_probabilities` after the samplers, which are probabilities and not their logarithms."""
    return [{**_chance(token), "top_probs": [_chance(other) for other in token.top]} for token in tokens]


def _chance(token: Logprob) -> dict[str, Any]:
    return {
        "id": token.token,
        "token": token.piece.decode("utf-8", "replace"),
        "bytes": list(token.piece),
        "prob": math.exp(token.logprob),
    }


def _with_itself(token: TokenLogprob) -> list[Logprob]:
    table: list[Logprob] = list(token.top)
    if all(other.token != token.token for other in table):
        table.append(token)
    return table


def _entry(token: Logprob) -> dict[str, Any]:
    return {
        "token": token.piece.decode("utf-8", "replace"),
        "logprob": _number(token),
        "bytes": list(token.piece),
    }


def _text(token: Logprob) -> str:
    """Return a token as text, or its bytes where it is a part of a character: there is no other place for them."""
    try:
        return token.piece.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token.piece)


def _number(token: Logprob) -> float:
    return max(token.logprob, _LEAST)
