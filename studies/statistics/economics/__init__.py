"""What a treatment costs and what is gained for it: costs, persistence, extrapolation, value, budget."""
