"""From messages to tokens and from tokens to events: templates, tool markups, reasoning."""

from home_llm.chat.chat import Chat
from home_llm.chat.errors import PromptTooLongError, RequestError
from home_llm.chat.reply import Reply
from home_llm.chat.vocabulary import (
    AllowedTools,
    ChatRequest,
    CompletionRequest,
    Event,
    Finish,
    Limits,
    Message,
    NamedTool,
    Reasoning,
    Telling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    Usage,
)
from home_llm.engine import Progress

__all__ = [
    "AllowedTools",
    "Chat",
    "ChatRequest",
    "CompletionRequest",
    "Event",
    "Finish",
    "Limits",
    "Message",
    "NamedTool",
    "Progress",
    "PromptTooLongError",
    "Reasoning",
    "Reply",
    "RequestError",
    "Telling",
    "Text",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "Usage",
]
