"""Going through what is wrong, without a mouse.

lists   `judged`, `listed`: which clips, in which order
triage  `Desk`: the next clip, tags, notes, undo
view    the page's sections
export  `table`: the list with tags and notes
"""
