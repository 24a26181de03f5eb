"""Going through what is wrong, without a mouse.

view    the page's sections
lists   `listing`: which clips, in which order; `summary` and `sentence` in words
triage  `Desk`: the next clip, tags, notes, undo
keys    which key does what
export  `as_csv`: the list with tags and notes
"""
