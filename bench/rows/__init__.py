"""The rows: each module measures one line or two of the design's table and says what it found."""
