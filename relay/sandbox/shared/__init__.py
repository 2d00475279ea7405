"""Parts that both simulated platforms use."""
