"""The first page: what was tested, how good it is, what may not be claimed.

words   `verdict`, `cards`
limits  `limits`: what may not be claimed
"""
