"""Record an `openai` client of your own: `client = wrap(openai.OpenAI())`.

The public name of what `handlers.openai` does.
"""

from spanscope.handlers.openai import wrap

__all__ = ["wrap"]
