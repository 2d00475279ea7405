"""
The settings of a relay.

`load` is the only code that reads the environment. All other code receives the `Config` that it returns, or values
from it. docs/configuration.md lists every setting; a test compares the page with the fields of `Config`.
"""

from relay.config.loading import load, load_with_origins
from relay.config.settings import Config

__all__ = ["Config", "load", "load_with_origins"]
