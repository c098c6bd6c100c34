"""How llama-server reads the end of a conversation: a last message of the assistant's is gone on with.

With OpenAI it is a turn that is over. On llama-server's own routes its clients put words into the model's mouth so.
"""

from typing import TypeVar

from home_llm.api.errors import ApiError
from home_llm.api.openai_request import ChatBody

Body = TypeVar("Body", bound=ChatBody)


def going_on(body: Body) -> Body:
    """Return the body of a request with what its last message means.

    Raises:
        ApiError: the assistant speaks twice at the end.
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
    return body.model_copy(update={"continue_final_message": True})
