"""Talk to the model in the terminal."""

import sys
from argparse import ArgumentParser, Namespace

from home_llm.chat import Chat, ChatRequest, Finish, Limits, Message, Reasoning, RequestError, Text
from home_llm.cli.local import local_chat
from home_llm.cli.logs import set_up_logging
from home_llm.llama import SamplingParameters
from home_llm.settings import load


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's own flags."""
    parser.add_argument("--system", default="", help="system prompt")
    parser.add_argument("--temperature", type=float, default=0.7, help="0 is always the likeliest word (default: 0.7)")
    parser.add_argument("--max-tokens", type=int, default=512, help="longest answer (default: 512)")


def run(arguments: Namespace) -> int:
    """Talk until the end of the input; return 0."""
    settings = load(arguments)
    set_up_logging("warning" if settings.log_level == "info" else settings.log_level)
    with local_chat(settings) as chat:
        messages = [Message("system", arguments.system)] if arguments.system else []
        interactive = sys.stdin.isatty()
        if interactive:
            print(f"{chat.model.description}. Ctrl-D ends, /new begins anew.")
        while (line := _ask(interactive=interactive)) is not None:
            if line == "/new":
                messages = messages[:1] if arguments.system else []
            elif line:
                _turn(chat, messages, line, arguments)
    return 0


def _ask(*, interactive: bool) -> str | None:
    try:
        return input("\nyou> " if interactive else "").strip()
    except EOFError:
        print()
        return None


def _turn(chat: Chat, messages: list[Message], line: str, arguments: Namespace) -> None:
    messages.append(Message("user", line))
    request = ChatRequest(
        messages=tuple(messages),
        sampling=SamplingParameters(temperature=arguments.temperature, top_p=0.95, min_p=0.05),
        limits=Limits(max_tokens=arguments.max_tokens),
    )
    answer = ""
    try:
        reply = chat.prepare(request)
    except RequestError as error:
        messages.pop()
        print(f"{error} (/new begins anew)", file=sys.stderr)
        return
    try:
        for event in reply.events():
            match event:
                case Text() | Reasoning():
                    print(event.text, end="", flush=True)
                    answer += event.text if isinstance(event, Text) else ""
                case Finish():
                    print(f"\n[{_speed(event)}]")
                case _:
                    continue
    except KeyboardInterrupt:
        reply.cancel()
        print("\n[stopped]")
    messages.append(Message("assistant", answer))


def _speed(finish: Finish) -> str:
    timings = finish.timings
    prompt = f"{timings.prompt_n} prompt tokens"
    if timings.prompt_ms > 0:
        prompt += f" at {1000 * timings.prompt_n / timings.prompt_ms:.0f} tokens/s"
    if timings.cache_n:
        prompt += f" ({timings.cache_n} cached)"
    rate = 1000 * (timings.predicted_n - 1) / timings.predicted_ms if timings.predicted_ms > 0 else 0.0
    return f"{prompt}, {timings.predicted_n} generated at {rate:.1f} tokens/s"
