"""How llama-server reads the end of a conversation: a last message of the assistant's is gone on with.

With OpenAI it is a turn that is over. On llama-server's own routes its clients put words into the model's mouth so.
"""

from typing import TypeVar

from home_llm.api.errors import ApiError
from home_llm.api.openai_messages import text_of
from home_llm.api.openai_request import ChatBody

Body = TypeVar("Body", bound=ChatBody)


def going_on(body: Body) -> Body:
    """Return the body of a request with what its last message means.

    Raises:
        ApiError: the assistant speaks twice at the end, or not in text.
    """
    *before, last = body.messages
    if last.role != "assistant" or last.tool_calls or not last.content:
        return body
    if body.continue_final_message is not None or body.add_generation_prompt is not None:
        return body
    if before and before[-1].role == "assistant" and not before[-1].tool_calls:
        raise ApiError(
            400,
            "messages: there are two messages of the assistant at the end. Send one of them, or a user's between them.",
            param="messages",
        )
    if isinstance(last.content, list):
        # Here llama-server parts them by an empty line, and in all other messages by the end of one.
        words = "\n\n".join(text_of(f"messages[{len(before)}].content", [part]) or "" for part in last.content)
        body = body.model_copy(update={"messages": [*before, last.model_copy(update={"content": words})]})
    return body.model_copy(update={"continue_final_message": True})
