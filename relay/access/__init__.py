"""Authorization: API keys, viewer tokens, sign-in codes, revocations, and the audit of what was done with them."""
