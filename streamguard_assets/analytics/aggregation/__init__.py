"""How an analysis is computed: what can be declared (keys, measures, columns), and the one way from a declaration
to partial results, their union and the finished rows.
"""
