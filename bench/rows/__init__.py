"""The rows: each module measures one or more lines of the summary."""
