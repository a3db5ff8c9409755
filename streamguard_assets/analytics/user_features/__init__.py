"""The 28 features of a user: one definition each, in modules by family, over a lookback of windows.

A family module says what is counted per user (its tallies) and what each feature makes of the counts. The
registry puts the families in order, ``extraction`` runs them over a frame of events, ``lookback`` does so for the
windows that one window sees.
"""
