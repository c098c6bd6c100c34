"""What is wrong with a request."""


class RequestError(ValueError):
    """The request cannot be answered as it is.

    Attributes:
        param: the field that is at fault.
    """

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class PromptTooLongError(RequestError):
    """The prompt does not fit the context.

    Attributes:
        n_prompt_tokens: its length.
        n_ctx: what there is room for.
    """

    def __init__(self, n_prompt_tokens: int, n_ctx: int, param: str) -> None:
        super().__init__(
            f"The prompt has {n_prompt_tokens} tokens, which exceeds the available context size of {n_ctx}. "
            "Shorten it, expose fewer entities, or set a larger context size.",
            param,
        )
        self.n_prompt_tokens = n_prompt_tokens
        self.n_ctx = n_ctx
