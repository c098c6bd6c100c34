"""A question and a document as a model reads them that says how well the one answers the other."""

from home_llm.chat.guard import SpecialTokenGuard
from home_llm.llama import Model

_QUERY, _DOCUMENT = "{query}", "{document}"


def pair_tokens(model: Model, guard: SpecialTokenGuard, query: str, document: str) -> list[int]:
    """Return the tokens of a pair: in the model's own words where it has some, else with its marks between them.

    What reads like a special token in either of them is text.

    Args:
        model: one that ranks.
        guard: of that model.
        query: what is asked.
        document: what may answer it.
    """
    template = model.ranking_template
    if template is None:
        before, between, after = model.pair_tokens
        asked, read = (model.tokenize(text, parse_special=False) for text in (query, document))
        return [*before, *asked, *between, *read, *after]
    # The document is put in first, and by its place: neither of them is looked through for the other's.
    head, found, tail = template.partition(_DOCUMENT)
    texts = [part.replace(_QUERY, guard.mark(query)) for part in (head, tail)]
    return guard.tokenize(guard.mark(document).join(texts) if found else texts[0], add_special=False)
