"""A comparison as one page that can be mailed: nothing is fetched, nothing lies beside it."""
