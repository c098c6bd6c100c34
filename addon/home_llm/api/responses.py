"""OpenAI's responses, `POST /v1/responses`; the server keeps none of them.

Source: OpenAI's API reference; the events in the order in which OpenAI's Python client puts them together.
"""

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import flask

from home_llm.api.admission import Admission
from home_llm.api.body import read
from home_llm.api.openai import model_name
from home_llm.api.openai_answers import input_tokens, timings_of
from home_llm.api.openai_logprobs import chat_logprobs
from home_llm.api.openapi import documented
from home_llm.api.replies import NAMED, drain, stream
from home_llm.api.responses_request import ResponseBody
from home_llm.api.schemas.openai import RESPONSE, RESPONSE_EVENT
from home_llm.api.telling import progress_fields, text_fields
from home_llm.chat import Finish, Progress, Reasoning, Text, ToolCall, Usage
from home_llm.chat.vocabulary import Event
from home_llm.engine import FinishReason, TokenLogprob
from home_llm.runtime import Runtime


def create_blueprint(runtime: Runtime, admission: Admission) -> flask.Blueprint:
    """Return the routes."""
    routes = flask.Blueprint("responses", __name__)

    @routes.post("/v1/responses")
    @routes.post("/responses")
    @documented(
        "Answer, in OpenAI's newer shape",
        tag="OpenAI",
        body=ResponseBody,
        example={"input": "Good morning", "max_output_tokens": 20},
        streams=True,
        answer=RESPONSE,
        event=RESPONSE_EVENT,
    )
    def responses() -> flask.typing.ResponseReturnValue:
        body = read(ResponseBody)
        request = body.request()
        with admission.enter() as place:
            reply = runtime.chat().prepare(request)
            writer = ResponseWriter(model_name(runtime), body.echo(), timings=body.telling.timings)
            if body.stream:
                return place.keep_until_closed(stream(reply, writer, NAMED))
            return writer.whole(drain(reply))

    @routes.post("/v1/responses/input_tokens")
    @routes.post("/responses/input_tokens")
    @documented("Count the tokens of what is asked", tag="OpenAI", body=ResponseBody, example={"input": "Good morning"})
    def count_tokens() -> flask.typing.ResponseReturnValue:
        request = read(ResponseBody).request()
        with admission.enter():
            return input_tokens(runtime.chat().count(request))

    return routes


class ResponseWriter:
    """Writes responses and their events.

    The message is the first item always, also where the answer holds nothing but calls: clients look for it there.
    A call is added, written and done in one go, because it is complete.

    Args:
        model: the name of the model.
        echo: fields of the request that the answer repeats.
        timings: whether progress and the end are told with what it cost.
    """

    def __init__(self, model: str, echo: dict[str, Any], *, timings: bool = False) -> None:
        self._timings = timings
        self._head = {
            "id": f"resp_{secrets.token_hex(16)}",
            "object": "response",
            "created_at": int(time.time()),
            "model": model,
            "background": False,
            "error": None,
            "previous_response_id": None,
            "service_tier": "default",
            "store": False,
            "truncation": "disabled",
            **echo,
        }
        self._number = 0
        self._message: dict[str, Any] = {
            "id": f"msg_{secrets.token_hex(16)}",
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        self._output: list[dict[str, Any]] = [self._message]
        self._text: dict[str, Any] | None = None
        self._reasoning: dict[str, Any] | None = None

    def whole(self, events: Iterable[Event]) -> dict[str, Any]:
        """Return the response that the events make."""
        last: dict[str, Any] = {}
        for event in events:
            for last in self.event(event):  # noqa: B007 - the last chunk holds all of it
                pass
        response: dict[str, Any] = last["response"]
        return response

    def start(self) -> Iterator[dict[str, Any]]:
        """Yield the empty response, and the message that will be its first item."""
        yield self._event("response.created", response=self._response("in_progress", []))
        yield self._event("response.in_progress", response=self._response("in_progress", []))
        yield self._event("response.output_item.added", output_index=0, item={**self._message, "content": []})

    def keep_alive(self) -> dict[str, Any]:
        """Return once more that the response is under way."""
        return self._event("response.in_progress", response=self._response("in_progress", []))

    def event(self, event: Event, /) -> Iterator[dict[str, Any]]:
        """Yield the chunks of an event."""
        match event:
            case Text():
                yield from self._say(event.text, event.logprobs, **text_fields(event))
            case Progress():
                response = self._response("in_progress", [])
                told = progress_fields(event, timings=self._timings)
                yield self._event("response.in_progress", response=response, **told)
            case Reasoning():
                yield from self._think(event.text)
            case ToolCall():
                yield from self._call(event)
            case Finish():
                yield from self._end(event)

    def _say(self, text: str, logprobs: Sequence[TokenLogprob], **told: Any) -> Iterator[dict[str, Any]]:
        if self._text is None:
            self._text = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            self._message["content"].append(self._text)
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            yield self._part("response.content_part.added", self._message, part=part)
        tokens = _logprobs(logprobs)
        self._text["text"] += text
        self._text["logprobs"] += tokens
        if text:
            yield self._part("response.output_text.delta", self._message, delta=text, logprobs=tokens, **told)

    def _think(self, text: str) -> Iterator[dict[str, Any]]:
        if self._reasoning is None:
            identity = f"rs_{secrets.token_hex(16)}"
            self._reasoning = {"id": identity, "type": "reasoning", "status": "in_progress", "summary": []}
            yield self._added(self._reasoning)
            self._reasoning["content"] = [{"type": "reasoning_text", "text": ""}]
            part = {"type": "reasoning_text", "text": ""}
            yield self._part("response.content_part.added", self._reasoning, part=part)
        self._reasoning["content"][0]["text"] += text
        yield self._part("response.reasoning_text.delta", self._reasoning, delta=text)

    def _call(self, call: ToolCall) -> Iterator[dict[str, Any]]:
        item = {
            "id": f"fc_{secrets.token_hex(16)}",
            "type": "function_call",
            "status": "in_progress",
            "call_id": call.id,
            "name": call.name,
            "arguments": "",
        }
        yield self._added(item)
        item["arguments"] = call.arguments_json
        place = self._place(item)
        yield self._event("response.function_call_arguments.delta", **place, delta=call.arguments_json)
        yield self._event(
            "response.function_call_arguments.done", **place, name=call.name, arguments=call.arguments_json
        )
        item["status"] = "completed"
        yield self._done(item)

    def _end(self, finish: Finish) -> Iterator[dict[str, Any]]:
        whole = finish.reason is not FinishReason.LENGTH
        status = "completed" if whole else "incomplete"
        if self._reasoning is not None:
            part = self._reasoning["content"][0]
            yield self._part("response.reasoning_text.done", self._reasoning, text=part["text"])
            yield self._part("response.content_part.done", self._reasoning, part=part)
            self._reasoning["status"] = status if self._text is None and len(self._output) == 2 else "completed"
            yield self._done(self._reasoning)
        if finish.logprobs or not any(item["type"] == "function_call" for item in self._output):
            # An answer that is empty is a text too.
            yield from self._say("", finish.logprobs)
        if self._text is not None:
            text, logprobs = self._text["text"], self._text["logprobs"]
            yield self._part("response.output_text.done", self._message, text=text, logprobs=logprobs)
            yield self._part("response.content_part.done", self._message, part=self._text)
        self._message["status"] = status
        yield self._done(self._message)
        response = self._response(status, self._output)
        response["incomplete_details"] = None if whole else {"reason": "max_output_tokens"}
        response |= {"usage": _usage(finish.usage), "timings": timings_of(finish)}
        told = {"timings": timings_of(finish)} if self._timings else {}
        yield self._event(f"response.{status}", response=response, **told)

    def _response(self, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
        return {**self._head, "status": status, "incomplete_details": None, "output": output, "usage": None}

    def _added(self, item: dict[str, Any]) -> dict[str, Any]:
        self._output.append(item)
        index = len(self._output) - 1
        return self._event("response.output_item.added", output_index=index, item=dict(item))

    def _done(self, item: dict[str, Any]) -> dict[str, Any]:
        return self._event("response.output_item.done", output_index=self._index(item), item=dict(item))

    def _part(self, kind: str, item: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return self._event(kind, **self._place(item), content_index=0, **fields)

    def _place(self, item: dict[str, Any]) -> dict[str, Any]:
        return {"item_id": item["id"], "output_index": self._index(item)}

    def _index(self, item: dict[str, Any]) -> int:
        return next(index for index, each in enumerate(self._output) if each is item)

    def _event(self, kind: str, **fields: Any) -> dict[str, Any]:
        number = self._number
        self._number += 1
        return {"type": kind, "sequence_number": number, **fields}


def _logprobs(tokens: Sequence[TokenLogprob]) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = chat_logprobs(tokens)["content"]
    return content


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
