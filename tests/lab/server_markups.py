"""Read answers with the server's markups: JSON lines in, JSON lines out. Runs in the server's environment."""

from __future__ import annotations

import json
import sys

from home_llm.chat.markups import MARKUPS
from home_llm.chat.vocabulary import Text, Tool, ToolCall


def main() -> None:
    """Read requests of markup, tools and text, and write what is found."""
    for line in sys.stdin:
        request = json.loads(line)
        tools = [Tool(**tool["function"]) for tool in request["tools"]]
        parser = MARKUPS[request["markup"]].parser(tools)
        events = [*parser.feed(request["text"]), *parser.close(truncated=False)]
        calls = [[event.name, event.arguments] for event in events if isinstance(event, ToolCall)]
        text = "".join(event.text for event in events if isinstance(event, Text))
        sys.stdout.write(json.dumps({"calls": calls, "text": text}) + "\n")


if __name__ == "__main__":
    main()
