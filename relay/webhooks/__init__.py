"""Webhooks: what servers are sent about tasks, signed by the Standard Webhooks specification."""
