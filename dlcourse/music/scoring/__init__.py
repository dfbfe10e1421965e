"""How the frames of a test split are scored: the model's and the baselines', in one honest table.

`scoring` chooses by the encoding; `class_scores` and `roll_scores` are the two kinds; `baselines`
and `roll_baselines` need no network; `results` makes the table.
"""
