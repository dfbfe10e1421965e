"""A search over options with Optuna: what varies, which trial comes next, what was found."""
