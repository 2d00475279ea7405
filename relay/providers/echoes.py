"""
Fields in which a platform repeats the input of a task. Pure.

Results and logs are shown to every viewer of a task, and the input only to those with the scope `input`. Wiro repeats
the prompt of a language model in the content of its answer; other names are those of inputs that its models have.
"""

import re
from collections.abc import Mapping
from typing import Final

_NAMES: Final = frozenset(
    {
        *("prompt", "prompts", "inputprompt", "multiprompt", "negativeprompt", "positiveprompt", "systemprompt"),
        *("userprompt", "systeminstruction", "systeminstructions", "messages", "toolchoice", "tooloutputs", "tools"),
        *("input", "inputs", "inputparameters", "param", "params", "parameters", "request"),
    }
)
"""In lower case, without `_`, `-` and spaces."""


def without_inputs(fields: Mapping[str, object]) -> dict[str, object]:
    """Return the fields of an object except those that repeat inputs. The arguments of a tool call are none."""
    return {name: value for name, value in fields.items() if re.sub(r"[\s_-]", "", name).lower() not in _NAMES}
