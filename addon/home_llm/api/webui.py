"""text-generation-webui's internal routes, `/v1/internal/*`.

Source: modules/api/script.py and typing.py of oobabooga/text-generation-webui 4.7.3.
"""

import math
from typing import Annotated, Any

import flask
from pydantic import Field

from home_llm.api.admission import Admission
from home_llm.api.body import Lenient, read
from home_llm.api.errors import ApiError
from home_llm.api.notes import ignored
from home_llm.api.openapi import documented
from home_llm.api.replies import collect
from home_llm.api.schemas import webui as schemas
from home_llm.api.webui_request import WebuiChatBody
from home_llm.chat import CompletionRequest, Limits
from home_llm.engine import TokenLogprob
from home_llm.llama import AdapterError, ModelLoadError, SamplingParameters
from home_llm.models import ModelError
from home_llm.runtime import Runtime, UnknownModelError

_TAG = "text-generation-webui"
_HELLO = {"text": "hello there"}
_CHAT = {"messages": [{"role": "user", "content": "Good morning"}]}

_LOGITS = 50
_MOST_LOGITS = 10_000


class TextBody(Lenient):
    """A text."""

    text: str


class TokensBody(Lenient):
    """Tokens."""

    tokens: list[int]


class LoadArguments(Lenient):
    """How a model is loaded; the other arguments are ignored."""

    ctx_size: int | None = None
    n_ctx: int | None = None


class AdaptersBody(Lenient):
    """Names of adapters."""

    lora_names: list[str]


class LoadBody(Lenient):
    """Body of `model/load`."""

    model_name: str
    args: LoadArguments | None = None
    instruction_template: str | None = None
    instruction_template_str: str | None = None


class LogitsBody(Lenient):
    """Body of `logits`."""

    prompt: str
    use_samplers: bool | None = None
    top_logits: Annotated[int, Field(ge=1, le=_MOST_LOGITS)] | None = None


def create_blueprint(runtime: Runtime, admission: Admission) -> flask.Blueprint:
    """Return the routes under `/v1/internal`."""
    routes = flask.Blueprint("webui", __name__, url_prefix="/v1/internal")

    @routes.get("/health")
    @documented("Look whether the port is open", tag=_TAG, answer=schemas.HEALTH)
    def health() -> flask.typing.ResponseReturnValue:
        return {"status": "ok"}

    @routes.post("/stop-generation")
    @documented("Cancel every generation", tag=_TAG, answer=schemas.OK)
    def stop_generation() -> flask.typing.ResponseReturnValue:
        runtime.stop_generations()
        return flask.jsonify("OK")

    @routes.get("/model/info")
    @documented("Tell which model is loaded", tag=_TAG, answer=schemas.MODEL_INFO)
    def model_info() -> flask.typing.ResponseReturnValue:
        facts = runtime.model_facts()
        name = runtime.status.model if facts else "None"
        applied = [adapter.file.name for adapter in runtime.adapters.loaded() if adapter.scale] if facts else []
        return {"model_name": name, "lora_names": applied, "loader": "llama.cpp"}

    @routes.get("/model/list")
    @documented("List the models on this machine", tag=_TAG, answer=schemas.MODEL_NAMES)
    def model_list() -> flask.typing.ResponseReturnValue:
        current = [runtime.status.model] if runtime.model_facts() and runtime.status.model else []
        return {"model_names": list(dict.fromkeys([*current, *runtime.library.file_names()]))}

    @routes.post("/model/load")
    @documented("Load another model", tag=_TAG, body=LoadBody, example={"model_name": "embedded"}, answer=schemas.OK)
    def model_load() -> flask.typing.ResponseReturnValue:
        body = read(LoadBody)
        arguments = body.args or LoadArguments()
        if body.instruction_template or body.instruction_template_str:
            ignored(
                "instruction_template", body.model_name, "a model is loaded with its own. Send it with each request."
            )
        context_size: Any = arguments.ctx_size if arguments.ctx_size is not None else arguments.n_ctx
        try:
            with admission.enter():
                runtime.load(body.model_name, context_size=context_size)
        except UnknownModelError as error:
            raise ApiError(404, str(error), param="model_name") from error
        except ValueError as error:
            raise ApiError(400, f"{error}.", param="args") from error
        except (ModelError, ModelLoadError) as error:
            raise ApiError(500, f"Failed to load the model: {error}") from error
        return flask.jsonify("OK")

    @routes.post("/model/unload")
    @documented("Free the model", tag=_TAG, answer=schemas.OK)
    def model_unload() -> flask.typing.ResponseReturnValue:
        runtime.unload()
        return flask.jsonify("OK")

    _add_token_routes(routes, runtime, admission)
    _add_adapter_routes(routes, runtime, admission)
    return routes


def _add_token_routes(routes: flask.Blueprint, runtime: Runtime, admission: Admission) -> None:
    """Add the routes that tell of prompts and tokens."""

    @routes.post("/encode")
    @documented("Turn a text into tokens", tag=_TAG, body=TextBody, example=_HELLO, answer=schemas.TOKENS)
    def encode() -> flask.typing.ResponseReturnValue:
        body = read(TextBody)
        with admission.enter():
            tokens = runtime.chat().encode(body.text)
        return {"tokens": tokens, "length": len(tokens)}

    @routes.post("/decode")
    @documented(
        "Turn tokens into a text",
        tag=_TAG,
        body=TokensBody,
        example={"tokens": [28120, 665]},
        answer=schemas.PLAIN,
    )
    def decode() -> flask.typing.ResponseReturnValue:
        body = read(TokensBody)
        with admission.enter():
            return {"text": runtime.chat().decode(body.tokens)}

    @routes.post("/token-count")
    @documented("Count the tokens of a text", tag=_TAG, body=TextBody, example=_HELLO, answer=schemas.LENGTH)
    def token_count() -> flask.typing.ResponseReturnValue:
        body = read(TextBody)
        with admission.enter():
            return {"length": len(runtime.chat().encode(body.text))}

    @routes.post("/logits")
    @documented(
        "Tell what may come next",
        tag=_TAG,
        body=LogitsBody,
        example={"prompt": "The capital of France is", "top_logits": 5},
        answer=schemas.PROBABILITIES,
    )
    def logits() -> flask.typing.ResponseReturnValue:
        body = read(LogitsBody)
        if body.use_samplers:
            raise ApiError(
                400,
                "use_samplers is not supported: the probabilities are those before the samplers. Leave it out.",
                param="use_samplers",
            )
        request = CompletionRequest(
            prompt=body.prompt,
            sampling=SamplingParameters(temperature=0),
            # The likeliest token may be the end; it is one of those that are told.
            limits=Limits(max_tokens=1, ignore_end=True),
            logprobs=body.top_logits or _LOGITS,
        )
        with admission.enter():
            answer, _ = collect(runtime.chat().complete(request))
        return _probabilities(answer.logprobs[0])

    @routes.post("/chat-prompt")
    @documented("Tell what a conversation becomes", tag=_TAG, body=WebuiChatBody, example=_CHAT, answer=schemas.PROMPT)
    def chat_prompt() -> flask.typing.ResponseReturnValue:
        request = read(WebuiChatBody).request()
        with admission.enter():
            return {"prompt": runtime.chat().render(request)}


def _probabilities(token: TokenLogprob) -> dict[str, float]:
    """Return the likeliest tokens with their probabilities; of two that read the same, the likelier."""
    found: dict[str, float] = {}
    for other in token.top:
        found.setdefault(_readable(other.piece), math.exp(other.logprob))
    return found


def _readable(piece: bytes) -> str:
    """Return a token with what cannot be seen escaped, also parts of characters."""
    text = piece.decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _add_adapter_routes(routes: flask.Blueprint, runtime: Runtime, admission: Admission) -> None:
    """Add the routes under `/v1/internal/lora`."""

    @routes.get("/lora/list")
    @documented("List the adapters that can be loaded", tag=_TAG, answer=schemas.LORA_NAMES)
    def lora_list() -> flask.typing.ResponseReturnValue:
        return {"lora_names": runtime.adapters.names()}

    @routes.post("/lora/load")
    @documented("Apply adapters", tag=_TAG, body=AdaptersBody, example={"lora_names": []}, answer=schemas.OK)
    def lora_load() -> flask.typing.ResponseReturnValue:
        return use_adapters(read(AdaptersBody).lora_names)

    @routes.post("/lora/unload")
    @documented("Apply no adapters", tag=_TAG, answer=schemas.OK)
    def lora_unload() -> flask.typing.ResponseReturnValue:
        return use_adapters([])

    def use_adapters(names: list[str]) -> flask.typing.ResponseReturnValue:
        try:
            with admission.enter():
                runtime.adapters.use(names)
        except (ModelError, AdapterError) as error:
            raise ApiError(400, str(error), param="lora_names") from error
        return flask.jsonify("OK")
