"""Who may do what: API keys, viewer tokens and sign-in codes."""
