"""Authorization: API keys, viewer tokens and sign-in codes."""
