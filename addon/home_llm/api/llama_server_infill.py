"""llama-server's `POST /infill`: what belongs between two pieces of text, for models that were trained to fill in.

Source: tools/server/README.md of llama.cpp; the order of a repository's files is that of Qwen2.5-Coder's report.
"""

import flask

from home_llm.api.admission import Admission
from home_llm.api.body import Lenient, read
from home_llm.api.errors import ApiError
from home_llm.api.llama_server_completion import answer
from home_llm.api.llama_server_request import NativeFields
from home_llm.api.openai import model_name
from home_llm.api.openapi import documented
from home_llm.chat import Chat, CompletionRequest
from home_llm.llama import InfillTokens
from home_llm.runtime import Runtime

# Of the room for the prompt, what may come after the gap; what comes before it takes what is left, then other files.
_SUFFIX_SHARE = 4
# Of the context, what is kept for the answer where the request does not say how long that may be.
_ANSWER_SHARE = 4

_REPOSITORY, _FILE = "repository", "file"


class ExtraFields(Lenient):
    """Another file that tells what the gap is about."""

    text: str
    filename: str = _FILE


class InfillBody(NativeFields):
    """Body of `POST /infill`."""

    input_prefix: str
    input_suffix: str
    input_extra: list[ExtraFields] | None = None
    prompt: str = ""

    def request(self, chat: Chat) -> CompletionRequest:
        """Return the request for the chat room.

        Raises:
            ApiError: the model cannot fill in, or fields contradict each other.
        """
        tokens = chat.model.infill
        if tokens is None:
            raise ApiError(
                400,
                "This model was not trained to fill in: it has no tokens for what comes before and after a gap. "
                "Load one for code, such as Qwen2.5-Coder, or use /completion.",
            )
        (request,) = self.requests_for(chat, [self._prompt(chat, tokens)])
        return request

    def _prompt(self, chat: Chat, tokens: InfillTokens) -> tuple[int, ...]:
        """Return the prompt: other files, what is before the gap, what is after it, and what it begins with.

        Where there is no room for all of it, it is what is next to the gap that stays.
        """
        model = chat.model
        begin = [model.bos] if model.add_bos else []
        wanted = self.n_predict if self.n_predict and self.n_predict > 0 else chat.engine.n_ctx // _ANSWER_SHARE
        room = max(chat.engine.n_ctx - wanted - len(begin) - 3, 1)
        before = [*model.tokenize(self.input_prefix, parse_special=False), *model.tokenize(self.prompt)]
        after = model.tokenize(self.input_suffix, parse_special=False)
        after = after[: max(room // _SUFFIX_SHARE, room - len(before))]
        before = _last(before, room - len(after))
        others = _last(self._others(chat, tokens), room - len(after) - len(before))
        return (*begin, *others, tokens.prefix, *before, tokens.suffix, *after, tokens.middle)

    def _others(self, chat: Chat, tokens: InfillTokens) -> list[int]:
        """Return the other files, and the beginning of the one with the gap, for models that know of files."""

        def plain(text: str) -> list[int]:
            return chat.model.tokenize(text, parse_special=False)

        result = [tokens.repository, *plain(f"{_REPOSITORY}\n")] if tokens.repository >= 0 else []
        for extra in self.input_extra or ():
            if tokens.file >= 0:
                result += [tokens.file, *plain(f"{extra.filename}\n{extra.text}")]
            else:
                result += plain(f"{extra.text}\n\n")
        return [*result, tokens.file, *plain(f"{_FILE}\n")] if tokens.file >= 0 else result


def _last(tokens: list[int], count: int) -> list[int]:
    return tokens[max(len(tokens) - count, 0) :]


def create_blueprint(runtime: Runtime, admission: Admission) -> flask.Blueprint:
    """Return the route."""
    routes = flask.Blueprint("llama_server_infill", __name__)

    @routes.post("/infill")
    @documented(
        "Fill in what is missing between two texts",
        tag="llama-server",
        body=InfillBody,
        example={"input_prefix": "def double(n):\n    return ", "input_suffix": "\n", "n_predict": 5},
        streams=True,
    )
    def infill() -> flask.typing.ResponseReturnValue:
        body = read(InfillBody)
        with admission.enter() as place:
            chat = runtime.chat()
            return answer(model_name(runtime), body, chat, [body.request(chat)], place)

    return routes
